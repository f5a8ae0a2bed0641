//! The books, and their check. It finds orders that are lost, doubled or out of order, goods that
//! are missing, and effects of orders that were rolled back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use crate::mails::Mail;
use crate::tables::{customer, invoice, item, order, shipment};

/// The most deliveries of a receiver that the books accept a second time after a kill: those that
/// had ended and were not noted. A note takes all that have ended since the last one, so the events
/// of four reads are more than enough.
pub(crate) const UNDER_WAY: usize = 4 * BATCH as usize;

/// The deliveries that a relay reads at a time.
pub(crate) const BATCH: u32 = 25;

/// The rows of the shop when it has closed, and the things that only the supervisor knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    pub(crate) items: Vec<item::Model>,
    pub(crate) customers: Vec<customer::Model>,
    pub(crate) orders: Vec<order::Model>,
    /// In the order in which they were written, as the shipments and the mails.
    pub(crate) invoices: Vec<invoice::Model>,
    pub(crate) shipments: Vec<shipment::Model>,
    pub(crate) mails: Vec<Mail>,
    /// The orders whose mail was given up.
    pub(crate) returned: HashSet<i64>,
    /// The runs of the worker that were killed.
    pub(crate) killed: HashSet<i64>,
    /// The orders that the worker has reported after their commit.
    pub(crate) reported: Vec<i64>,
    /// The orders that the worker has reported after their rollback.
    pub(crate) rolled_back: Vec<i64>,
    /// The repeated deliveries that billing and shipping have recognized.
    pub(crate) recognized: usize,
}

/// A step that an order goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Order,
    Invoice,
    Shipment,
    Mail,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Order => "order",
            Step::Invoice => "invoice",
            Step::Shipment => "shipment",
            Step::Mail => "mail",
        })
    }
}

/// A reason for which the books do not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The order has no such step. An order without the step `Order` was reported as placed, and is
    /// not there.
    Lost { step: Step, order: i64 },
    /// The order has two invoices or two shipments.
    Doubled { step: Step, order: i64 },
    /// The order was rolled back, and has the step.
    RolledBack { step: Step, order: i64 },
    /// A step of the customer's order `nth` came after that of the order `after`.
    OutOfOrder {
        step: Step,
        customer: i64,
        nth: i64,
        after: i64,
    },
    /// The invoice or the shipment is not that of the order.
    Wrong { step: Step, order: i64 },
    /// The numbers of the customer's orders have a gap, or are not as many as were counted.
    Gap { customer: i64 },
    /// A mail was sent again without a kill between.
    MailedAgain { order: i64, run: i64 },
    /// More mails of the run were sent again than were under way at its kill.
    MailedAgainTooOften { run: i64, mails: usize },
    /// The stock and the shipments do not make the stock at the start.
    Stock {
        item: String,
        at_start: i64,
        stock: i64,
        shipped: i64,
    },
    /// The customer's orders and the sum of the invoices are different.
    Bill {
        customer: i64,
        ordered: i64,
        billed: i64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Lost { step, order } => write!(f, "lost: order {order} has no {step}"),
            Fault::Doubled { step, order } => write!(f, "doubled: order {order} has two {step}s"),
            Fault::RolledBack { step, order } => {
                write!(
                    f,
                    "not rolled back: order {order} is undone and has its {step}"
                )
            }
            Fault::OutOfOrder {
                step,
                customer,
                nth,
                after,
            } => write!(
                f,
                "out of order: the {step} of order {nth} of customer {customer} came after that of order {after}"
            ),
            Fault::Wrong { step, order } => {
                write!(
                    f,
                    "wrong: the {step} of order {order} is that of another order"
                )
            }
            Fault::Gap { customer } => {
                write!(
                    f,
                    "gap: the numbers of the orders of customer {customer} are not 1, 2, 3 and so on"
                )
            }
            Fault::MailedAgain { order, run } => write!(
                f,
                "mailed again: order {order} in run {run}, without a kill since its first mail"
            ),
            Fault::MailedAgainTooOften { run, mails } => write!(
                f,
                "mailed again too often: {mails} mails of run {run}, of which {UNDER_WAY} can be under way"
            ),
            Fault::Stock {
                item,
                at_start,
                stock,
                shipped,
            } => write!(
                f,
                "stock: of {at_start} x {item} at the start, {stock} are left and {shipped} are shipped"
            ),
            Fault::Bill {
                customer,
                ordered,
                billed,
            } => write!(
                f,
                "bill: customer {customer} has ordered for {ordered} cents and is billed {billed}"
            ),
        }
    }
}

/// The part that invoices, shipments and mails have in common.
#[derive(Clone, Copy)]
struct Entry {
    order: i64,
    customer: i64,
    nth: i64,
}

impl Books {
    /// Returns all faults. The books add up if there are none.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check_reports(&mut faults);
        let invoices = self.invoices.iter().map(|it| Entry {
            order: it.number,
            customer: it.customer,
            nth: it.nth,
        });
        self.check_once(Step::Invoice, invoices, &mut faults);
        let shipments = self.shipments.iter().map(|it| Entry {
            order: it.number,
            customer: it.customer,
            nth: it.nth,
        });
        self.check_once(Step::Shipment, shipments, &mut faults);
        self.check_content(&mut faults);
        self.check_mails(&mut faults);
        self.check_sums(&mut faults);
        faults
    }

    /// Returns the number of mails that were sent again.
    pub(crate) fn doubled_mails(&self) -> usize {
        let orders: HashSet<_> = self.mails.iter().map(|mail| mail.order).collect();
        self.mails.len() - orders.len()
    }

    fn by_number(&self) -> HashMap<i64, &order::Model> {
        self.orders.iter().map(|it| (it.number, it)).collect()
    }

    fn check_reports(&self, faults: &mut Vec<Fault>) {
        let orders = self.by_number();
        let step = Step::Order;
        for &order in &self.reported {
            if !orders.contains_key(&order) {
                faults.push(Fault::Lost { step, order });
            }
        }
        for &order in &self.rolled_back {
            if orders.contains_key(&order) {
                faults.push(Fault::RolledBack { step, order });
            }
        }
        // The numbers of a customer's orders have no gap, because a rollback gives them back.
        let mut counts = BTreeMap::<i64, BTreeSet<i64>>::new();
        for order in &self.orders {
            counts.entry(order.customer).or_default().insert(order.nth);
        }
        for customer in &self.customers {
            let numbers = counts.remove(&customer.id).unwrap_or_default();
            if !numbers.into_iter().eq(1..=customer.orders) {
                faults.push(Fault::Gap {
                    customer: customer.id,
                });
            }
        }
    }

    /// Checks a step that each order has once, in the order of its customer's orders.
    fn check_once(
        &self,
        step: Step,
        entries: impl Iterator<Item = Entry>,
        faults: &mut Vec<Fault>,
    ) {
        let orders = self.by_number();
        let mut seen = HashSet::new();
        let mut last = HashMap::<i64, i64>::new();
        for Entry {
            order,
            customer,
            nth,
        } in entries
        {
            if !orders.contains_key(&order) {
                faults.push(Fault::RolledBack { step, order });
            }
            if !seen.insert(order) {
                faults.push(Fault::Doubled { step, order });
            } else if let Some(after) = last.insert(customer, nth)
                && after >= nth
            {
                faults.push(Fault::OutOfOrder {
                    step,
                    customer,
                    nth,
                    after,
                });
            }
        }
        let lost = self.orders.iter().filter(|it| !seen.contains(&it.number));
        faults.extend(lost.map(|it| Fault::Lost {
            step,
            order: it.number,
        }));
    }

    /// Checks that invoices and shipments have the content of their orders.
    fn check_content(&self, faults: &mut Vec<Fault>) {
        let orders = self.by_number();
        for invoice in &self.invoices {
            let it = orders.get(&invoice.number);
            if it.is_some_and(|it| {
                (it.customer, it.nth, it.cents) != (invoice.customer, invoice.nth, invoice.cents)
            }) {
                faults.push(Fault::Wrong {
                    step: Step::Invoice,
                    order: invoice.number,
                });
            }
        }
        for shipment in &self.shipments {
            let it = orders.get(&shipment.number);
            if it.is_some_and(|it| {
                (it.customer, it.nth, it.item, it.quantity)
                    != (
                        shipment.customer,
                        shipment.nth,
                        shipment.item,
                        shipment.quantity,
                    )
            }) {
                faults.push(Fault::Wrong {
                    step: Step::Shipment,
                    order: shipment.number,
                });
            }
        }
    }

    /// Checks the mails. A kill sends a customer's mails back to the first that was not noted, and
    /// from there they come in order again.
    fn check_mails(&self, faults: &mut Vec<Fault>) {
        let step = Step::Mail;
        let orders = self.by_number();
        let mut expected = BTreeMap::<i64, Vec<i64>>::new();
        for order in &self.orders {
            if !self.returned.contains(&order.number) {
                expected.entry(order.customer).or_default().push(order.nth);
            }
        }
        expected.values_mut().for_each(|nths| nths.sort_unstable());

        // The place of the last mail among those that the customer is to get, and its run.
        let mut last = HashMap::<i64, (usize, &Mail)>::new();
        let mut runs_of = HashMap::<i64, Vec<i64>>::new();
        for mail in &self.mails {
            let (order, customer, nth) = (mail.order, mail.customer, mail.nth);
            let known = orders.get(&order);
            let nths = expected.get(&customer);
            let place = nths.and_then(|nths| nths.binary_search(&nth).ok());
            let (Some(known), Some(place)) = (known, place) else {
                faults.push(Fault::RolledBack { step, order });
                continue;
            };
            if (known.customer, known.nth) != (customer, nth) {
                faults.push(Fault::Wrong { step, order });
            }
            let before = last.insert(customer, (place, mail));
            runs_of.entry(order).or_default().push(mail.run);
            match before {
                None if place == 0 => {}
                Some((before, _)) if place == before + 1 => {}
                Some((before, former)) if place <= before => {
                    if mail.run == former.run {
                        let run = mail.run;
                        faults.push(Fault::MailedAgain { order, run });
                    }
                }
                _ => faults.push(Fault::OutOfOrder {
                    step,
                    customer,
                    nth,
                    after: before.map_or(0, |(_, former)| former.nth),
                }),
            }
        }
        let lost = self
            .orders
            .iter()
            .filter(|it| !runs_of.contains_key(&it.number) && !self.returned.contains(&it.number));
        faults.extend(lost.map(|it| Fault::Lost {
            step,
            order: it.number,
        }));

        // Each mail but the last of an order was cut off by the kill of its run.
        let mut cut_off = BTreeMap::<i64, usize>::new();
        for (order, runs) in runs_of {
            for &run in &runs[..runs.len() - 1] {
                if !self.killed.contains(&run) {
                    faults.push(Fault::MailedAgain { order, run });
                }
                *cut_off.entry(run).or_default() += 1;
            }
        }
        for (run, mails) in cut_off {
            if mails > UNDER_WAY {
                faults.push(Fault::MailedAgainTooOften { run, mails });
            }
        }
    }

    fn check_sums(&self, faults: &mut Vec<Fault>) {
        for item in &self.items {
            let shipments = self.shipments.iter().filter(|it| it.item == item.id);
            let shipped: i64 = shipments.map(|it| it.quantity).sum();
            if item.stock + shipped != item.at_start {
                faults.push(Fault::Stock {
                    item: item.name.clone(),
                    at_start: item.at_start,
                    stock: item.stock,
                    shipped,
                });
            }
        }
        for customer in &self.customers {
            let orders = self.orders.iter().filter(|it| it.customer == customer.id);
            let ordered: i64 = orders.map(|it| it.cents).sum();
            if ordered != customer.billed {
                faults.push(Fault::Bill {
                    customer: customer.id,
                    ordered,
                    billed: customer.billed,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
