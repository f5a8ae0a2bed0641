//! An operation that sends signals.

use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use fanfare::error::ReceiverError;
use fanfare_django::model::{Context, PrimaryKey};
use fanfare_django::transaction::AfterCommit;
use futures_util::FutureExt;
use sea_orm::DbErr;

use crate::after_commit::deliver;
use crate::error::{SignalName, refusal};
use crate::executor::Executor;
use crate::keys::RowKey;
use crate::scope::Scope;

/// An operation that sends: its properties, and the list in which its receivers record later
/// events.
pub(crate) struct Operation {
    /// Lent to receivers. Their own operations over it are not raw and do not have this origin.
    executor: Option<Executor>,
    raw: bool,
    origin: Option<Arc<dyn Any + Send + Sync>>,
    /// Outside a transaction, the recorded events are sent right after the operation.
    autocommit: Option<AfterCommit>,
}

impl Operation {
    /// Makes an operation that has not happened yet.
    pub(crate) fn ahead(scope: Option<Scope>) -> Self {
        let mut operation = Operation {
            executor: None,
            raw: false,
            origin: None,
            autocommit: None,
        };
        if let Some(mut scope) = scope {
            operation.raw = std::mem::take(&mut scope.raw);
            operation.origin = scope.origin.take();
            operation.executor = Some(Executor::new(scope));
        }
        operation
    }

    /// Makes an operation whose rows are written.
    pub(crate) fn done(scope: Option<Scope>) -> Self {
        let commits_itself = scope.as_ref().is_some_and(|it| it.after_commit.is_none());
        Operation {
            autocommit: commits_itself.then(AfterCommit::new),
            ..Operation::ahead(scope)
        }
    }

    /// Returns the context of an event of the model `name`, of its row `key` if there is one.
    pub(crate) fn context<'a>(&'a self, name: &'a str, key: Option<&'a RowKey>) -> Context<'a> {
        let context = self.about_connection().with_model_name(name);
        match key {
            Some(key) => context.with_pk(PrimaryKey::new(key)),
            None => context,
        }
    }

    fn about_connection(&self) -> Context<'_> {
        let Some(executor) = &self.executor else {
            return Context::default();
        };
        let scope = executor.own_scope();
        let mut context = Context::new(&scope.using)
            .raw(self.raw)
            .connection(executor);
        if let Some(origin) = &self.origin {
            context = context.origin(&**origin);
        }
        match scope.after_commit.as_ref().or(self.autocommit.as_ref()) {
            Some(after_commit) => context.after_commit(after_commit),
            None => context,
        }
    }

    /// Runs the send, and then sends the events that receivers recorded, unless they wait for a
    /// commit.
    ///
    /// That happens also if a receiver failed or panicked, because the rows are written.
    pub(crate) async fn tell<R>(
        &self,
        signal: SignalName,
        send: impl Future<Output = Result<R, ReceiverError<(), Box<dyn Error + Send + Sync>>>>,
    ) -> Result<(), DbErr> {
        let sent = AssertUnwindSafe(send).catch_unwind().await;
        if let Some(after_commit) = &self.autocommit {
            deliver(after_commit).await;
        }
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(stopped)) => Err(refusal(signal, stopped.error)),
            Err(panic) => resume_unwind(panic),
        }
    }
}
