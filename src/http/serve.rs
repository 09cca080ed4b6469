//! Listening, and leaving in order: what has begun is finished, for half a minute at most.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::connection::{PATIENCE, Patient, Peer};
use super::{App, health, router};

/// How long requests that have begun may take after the signal to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// How long background work waits after a fault.
const PAUSE: Duration = Duration::from_secs(5);

/// How often answers under idempotency keys that are no longer kept are taken out.
const TIDIED_EVERY: Duration = Duration::from_hours(1);

/// Serves until `stop`, then finishes what has begun.
pub async fn serve(app: App, listener: TcpListener, metrics: TcpListener, stop: impl Future<Output = ()>) -> std::io::Result<()> {
    tokio::spawn(Arc::clone(&app.identity).keep_fresh());
    tokio::spawn(work(app.clone()));
    let service = router(&app).into_make_service_with_connect_info::<Peer>();
    let service = axum::serve(Patient(listener, PATIENCE), service).with_graceful_shutdown(app.stopped());
    let numbers = axum::serve(metrics, health::metrics(app.clone())).with_graceful_shutdown(app.stopped());
    let mut service = std::pin::pin!(service.into_future());
    let numbers = tokio::spawn(numbers.into_future());
    tokio::select! {
        ended = &mut service => return ended,
        () = stop => {}
    }
    tracing::info!("stopping; requests that have begun are finished");
    app.stop();
    let drained = tokio::time::timeout(DRAIN, service).await;
    numbers.abort();
    drained.unwrap_or_else(|_| {
        tracing::warn!("some requests were not finished in time");
        Ok(())
    })
}

/// What is done beside requests: bulk jobs, the signatures that a crash has left out, and old answers taken out.
async fn work(app: App) {
    let (mut pause, mut tidied) = (Duration::ZERO, None::<Instant>);
    loop {
        tokio::select! {
            () = app.stopped() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(cause) = app.register.finish().await {
            tracing::error!(%cause, "signatures that are missing cannot be made");
        }
        if tidied.is_none_or(|at| at.elapsed() >= TIDIED_EVERY) {
            tidied = Some(Instant::now());
            if let Err(cause) = app.register.store.forget_answers(app.clock.now()).await {
                tracing::error!(%cause, "answers that are no longer kept cannot be taken out");
            }
        }
        pause = app.register.step_jobs().await.unwrap_or_else(|cause| {
            tracing::error!(%cause, "a job cannot go on");
            PAUSE
        });
    }
}
