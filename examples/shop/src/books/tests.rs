//! Books that do not add up, and the fault that the check finds in each.

use super::*;

const LAMP: i64 = 0;

/// Returns books of six orders by two customers, that add up. Run 1 was killed.
fn books() -> Books {
    let orders: Vec<_> = [
        (1, 7, 1),
        (2, 8, 1),
        (3, 7, 2),
        (4, 8, 2),
        (5, 7, 3),
        (6, 8, 3),
    ]
    .into_iter()
    .map(|(number, customer, nth)| order::Model {
        number,
        customer,
        nth,
        item: LAMP,
        quantity: 2,
        cents: 100 * number,
    })
    .collect();
    let invoices = orders.iter().map(|it| invoice::Model {
        id: it.number,
        event: it.number,
        number: it.number,
        customer: it.customer,
        nth: it.nth,
        cents: it.cents,
    });
    let shipments = orders.iter().map(|it| shipment::Model {
        id: it.number,
        event: it.number + 100,
        number: it.number,
        customer: it.customer,
        nth: it.nth,
        item: it.item,
        quantity: it.quantity,
    });
    let mails = orders.iter().map(|it| mail(1, it));
    let billed = [(7, 900), (8, 1_200)];
    Books {
        items: vec![item::Model {
            id: LAMP,
            name: "lamp".to_owned(),
            cents: 50,
            at_start: 20,
            stock: 8,
        }],
        customers: billed
            .into_iter()
            .map(|(id, billed)| customer::Model {
                id,
                orders: 3,
                billed,
            })
            .collect(),
        invoices: invoices.collect(),
        shipments: shipments.collect(),
        mails: mails.collect(),
        returned: HashSet::new(),
        killed: HashSet::from([1]),
        reported: (1..=6).collect(),
        rolled_back: vec![9],
        recognized: 0,
        orders,
    }
}

fn mail(run: i64, order: &order::Model) -> Mail {
    Mail {
        run,
        order: order.number,
        customer: order.customer,
        nth: order.nth,
    }
}

/// Returns the faults of the books after a change.
fn faults(change: impl FnOnce(&mut Books)) -> Vec<Fault> {
    let mut books = books();
    change(&mut books);
    books.faults()
}

#[test]
fn whole_books_have_no_fault() {
    assert_eq!(books().faults(), []);
    assert_eq!(books().doubled_mails(), 0);
}

#[test]
fn a_lost_invoice_is_found() {
    let step = Step::Invoice;
    let found = faults(|it| _ = it.invoices.remove(2));
    assert_eq!(found, [Fault::Lost { step, order: 3 }]);
}

#[test]
fn a_lost_shipment_is_found_with_the_missing_goods() {
    let found = faults(|it| _ = it.shipments.remove(5));
    let lost = Fault::Lost {
        step: Step::Shipment,
        order: 6,
    };
    let stock = Fault::Stock {
        item: "lamp".to_owned(),
        at_start: 20,
        stock: 8,
        shipped: 10,
    };
    assert_eq!(found, [lost, stock]);
}

#[test]
fn a_lost_mail_is_found_and_its_gap() {
    let step = Step::Mail;
    let found = faults(|it| _ = it.mails.remove(2));
    let gap = Fault::OutOfOrder {
        step,
        customer: 7,
        nth: 3,
        after: 1,
    };
    assert_eq!(found, [gap, Fault::Lost { step, order: 3 }]);
    // The last one leaves no gap.
    let found = faults(|it| _ = it.mails.pop());
    assert_eq!(found, [Fault::Lost { step, order: 6 }]);
}

#[test]
fn a_mail_that_was_given_up_is_not_lost() {
    let found = faults(|it| {
        it.mails.remove(2);
        it.returned.insert(3);
    });
    assert_eq!(found, []);
}

#[test]
fn a_lost_order_is_found_by_its_report() {
    let step = Step::Order;
    let found = faults(|it| it.reported.push(7));
    assert_eq!(found, [Fault::Lost { step, order: 7 }]);
}

#[test]
fn doubled_invoices_and_shipments_are_found() {
    let found = faults(|it| {
        let again = it.invoices[0].clone();
        it.invoices.push(again);
    });
    let step = Step::Invoice;
    assert_eq!(found, [Fault::Doubled { step, order: 1 }]);

    let found = faults(|it| {
        let again = it.shipments[0].clone();
        it.shipments.push(again);
        it.items[0].stock -= 2;
    });
    let step = Step::Shipment;
    assert_eq!(found, [Fault::Doubled { step, order: 1 }]);
}

#[test]
fn mails_that_a_kill_doubles_are_counted_and_no_fault() {
    let mut books = books();
    // Order 3 was sent and not noted, and order 5 after it.
    let again: Vec<_> = [2, 4].map(|at| mail(2, &books.orders[at])).into();
    books.mails.extend(again);
    assert_eq!(books.faults(), []);
    assert_eq!(books.doubled_mails(), 2);
}

#[test]
fn a_doubled_mail_without_a_kill_is_found() {
    let found = faults(|it| {
        let again = mail(1, &it.orders[4]);
        it.mails.push(again);
    });
    assert_eq!(found, [Fault::MailedAgain { order: 5, run: 1 }]);

    let found = faults(|it| {
        let again = mail(2, &it.orders[4]);
        it.mails.push(again);
        it.killed = HashSet::from([2]);
    });
    assert_eq!(found, [Fault::MailedAgain { order: 5, run: 1 }]);
}

#[test]
fn mails_that_skip_an_order_after_a_kill_are_found() {
    // After a kill the mails go on at the first that was not noted, which is order 1 here.
    let found = faults(|it| {
        let again: Vec<_> = [0, 4].map(|at| mail(2, &it.orders[at])).into();
        it.mails.extend(again);
    });
    let skipped = Fault::OutOfOrder {
        step: Step::Mail,
        customer: 7,
        nth: 3,
        after: 1,
    };
    assert_eq!(found, [skipped]);
}

#[test]
fn more_doubled_mails_than_were_under_way_are_found() {
    let orders = UNDER_WAY as i64 + 1;
    let mut books = Books {
        killed: HashSet::from([1]),
        ..Books::default()
    };
    for number in 1..=orders {
        let order = order::Model {
            number,
            customer: 7,
            nth: number,
            item: LAMP,
            quantity: 1,
            cents: 1,
        };
        books.mails.push(mail(1, &order));
        books.orders.push(order);
    }
    let again: Vec<_> = books.orders.iter().map(|it| mail(2, it)).collect();
    books.mails.extend(again);
    let mut found = Vec::new();
    books.check_mails(&mut found);
    let mails = UNDER_WAY + 1;
    assert_eq!(found, [Fault::MailedAgainTooOften { run: 1, mails }]);
}

#[test]
fn invoices_shipments_and_mails_out_of_order_are_found() {
    let out_of_order = |step| Fault::OutOfOrder {
        step,
        customer: 7,
        nth: 2,
        after: 3,
    };
    // Orders 3 and 5 are of one customer.
    let found = faults(|it| it.invoices.swap(2, 4));
    assert_eq!(found, [out_of_order(Step::Invoice)]);
    let found = faults(|it| it.shipments.swap(2, 4));
    assert_eq!(found, [out_of_order(Step::Shipment)]);
    let found = faults(|it| it.mails.swap(2, 4));
    let jump = Fault::OutOfOrder {
        step: Step::Mail,
        customer: 7,
        nth: 3,
        after: 1,
    };
    assert_eq!(found, [jump, Fault::MailedAgain { order: 3, run: 1 }]);
}

#[test]
fn orders_of_different_customers_have_no_order() {
    let found = faults(|it| {
        it.invoices.swap(0, 1);
        it.shipments.swap(2, 3);
        it.mails.swap(4, 5);
    });
    assert_eq!(found, []);
}

#[test]
fn effects_of_orders_that_were_rolled_back_are_found() {
    let rolled_back = |step| Fault::RolledBack { step, order: 9 };
    let found = faults(|it| {
        let mut row = it.invoices[5].clone();
        (row.number, row.nth) = (9, 4);
        it.invoices.push(row);
    });
    assert_eq!(found, [rolled_back(Step::Invoice)]);

    let found = faults(|it| {
        let mut row = it.shipments[5].clone();
        (row.number, row.nth, row.quantity) = (9, 4, 0);
        it.shipments.push(row);
    });
    assert_eq!(found, [rolled_back(Step::Shipment)]);

    let found = faults(|it| {
        let mut row = mail(1, &it.orders[5]);
        (row.order, row.nth) = (9, 4);
        it.mails.push(row);
    });
    assert_eq!(found, [rolled_back(Step::Mail)]);

    let found = faults(|it| it.rolled_back.push(6));
    let step = Step::Order;
    assert_eq!(found, [Fault::RolledBack { step, order: 6 }]);
}

#[test]
fn missing_goods_are_found() {
    let found = faults(|it| it.items[0].stock = 7);
    let stock = Fault::Stock {
        item: "lamp".to_owned(),
        at_start: 20,
        stock: 7,
        shipped: 12,
    };
    assert_eq!(found, [stock]);
}

#[test]
fn wrong_sums_and_contents_are_found() {
    let found = faults(|it| it.customers[0].billed = 901);
    let bill = Fault::Bill {
        customer: 7,
        ordered: 900,
        billed: 901,
    };
    assert_eq!(found, [bill]);

    let step = Step::Invoice;
    let found = faults(|it| it.invoices[0].cents = 1);
    assert_eq!(found, [Fault::Wrong { step, order: 1 }]);
    let step = Step::Shipment;
    let found = faults(|it| it.shipments[0].customer = 9);
    assert_eq!(found, [Fault::Wrong { step, order: 1 }]);
    let found = faults(|it| it.customers[1].orders = 4);
    assert_eq!(found, [Fault::Gap { customer: 8 }]);
}

#[test]
fn faults_describe_themselves() {
    let fault = Fault::Lost {
        step: Step::Shipment,
        order: 3,
    };
    assert_eq!(fault.to_string(), "lost: order 3 has no shipment");
}
