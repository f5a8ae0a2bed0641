use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct Paid(u64);

static PAID: Signal<Paid> = Signal::new();
static SENT: Signal<Paid> = Signal::new();

#[receiver(PAID, durable = "mail.plain")]
fn plain(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver(PAID, durable = "mail.unit")]
async fn unit(_sender: Sender<'_>, _paid: &Paid) {}

#[receiver(PAID, durable = "mail.one")]
async fn one(_paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver([PAID, SENT], durable = "mail.both")]
async fn both(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver(PAID, durable = "mail.twice")]
#[receiver(PAID, durable = "mail.twice", attempts = 3)]
async fn twice(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver(PAID, durable = "")]
async fn empty(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver(PAID, durable)]
async fn unnamed(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver(PAID, durable = "mail.priority", priority = 3)]
async fn priority(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver(PAID, attempts = 3)]
async fn attempts(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver(PAID, durable = "mail.value", unsequenced = true)]
async fn value(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver(PAID, durable = "mail.timeout", timeout = 30 s)]
async fn timeout(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

#[receiver(PAID, durable = "mail.path", outbox = 7)]
async fn path(_sender: Sender<'_>, _paid: &Paid) -> Result<(), String> {
    Ok(())
}

fn main() {}
