//! Rows to write.

use sea_orm::{NotSet, Set};

use super::entities::*;

pub fn person(last_name: &str) -> person::ActiveModel {
    person::ActiveModel {
        id: NotSet,
        first_name: Set("x".to_owned()),
        last_name: Set(last_name.to_owned()),
    }
}

pub fn person_of_id(id: i32) -> person::ActiveModel {
    person::ActiveModel {
        id: Set(id),
        ..person(&id.to_string())
    }
}

pub fn book(id: i32) -> book::ActiveModel {
    book::ActiveModel {
        id: Set(id),
        title: Set(format!("book {id}")),
    }
}

/// Returns a book, to which a nested save adds.
pub fn emma() -> book::ActiveModelEx {
    book::ActiveModel::builder().set_title("Emma")
}

pub fn page(text: &str) -> page::ActiveModelEx {
    page::ActiveModel::builder().set_text(text)
}

pub fn tag(name: &str) -> tag::ActiveModel {
    tag::ActiveModel {
        id: NotSet,
        name: Set(name.to_owned()),
    }
}

pub fn tag_of_id(id: i32) -> tag::ActiveModel {
    tag::ActiveModel {
        id: Set(id),
        ..tag(&format!("tag {id}"))
    }
}
