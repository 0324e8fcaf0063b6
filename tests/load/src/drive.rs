//! Many clients doing one thing again and again, measured for a while.
//!
//! rlt runs the clients, starts them together and stops them. It drops what is in flight when the time is over, and
//! an operation that was sent and never answered could not be accounted for afterwards. So an operation is owned by
//! the worker and not by the iteration, and is waited for before the worker ends.

use crate::cpu::{Meter, Used};
use crate::statistics::{Latencies, microseconds_each, per_second};
use anyhow::{Context, Error, Result, anyhow, bail};
use async_trait::async_trait;
use clap::Parser;
use rlt::cli::BenchCli;
use rlt::{BenchSuite, IterInfo, IterReport, Status};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long what is in flight at the end of a run may take; more than a connection waits for an answer.
const STOP_TIMEOUT: Duration = Duration::from_mins(3);
/// Time is told apart to this.
const SHORTEST: Duration = Duration::from_micros(1);
/// A window that ends early because there was nothing left to do must have been this part of what was meant.
const WINDOW_LEAST: f64 = 1.0 / 3.0;

/// One of the clients of a run, connected.
#[async_trait]
pub(crate) trait Client: Send + 'static {
    /// Does the next operation and checks its answer.
    async fn operate(&mut self) -> Result<()>;

    /// Whether there is anything left for it to do. The measured window ends when one client has nothing left.
    fn has_more(&self) -> bool {
        true
    }

    /// Gives back what it still holds. Answers how many further operations that took.
    async fn finish(&mut self) -> Result<u64> {
        Ok(0)
    }
}

/// How long a run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// Not measured.
    pub(crate) warm_up: Duration,
    /// Measured.
    pub(crate) window: Duration,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measure {
    pub(crate) ops_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    /// Processor time for each operation.
    pub(crate) server_us: f64,
    pub(crate) database_us: f64,
    pub(crate) generator_us: f64,
    /// Every operation that was answered, also outside of the measured window.
    pub(crate) acknowledged: u64,
    /// The part of the window for which there was something to do.
    pub(crate) window_share: f64,
}

impl Measure {
    /// Whether there was something to do for long enough to say anything.
    pub(crate) fn is_long_enough(&self) -> bool {
        self.window_share >= WINDOW_LEAST
    }
}

type Operation<C> = Pin<Box<dyn Future<Output = (C, Instant, Result<()>)> + Send>>;

enum Stage<C> {
    Idle(C),
    Busy(Operation<C>),
    Stopped,
}

struct Worker<C> {
    stage: Stage<C>,
    latencies: Latencies,
    acknowledged: u64,
}

struct Tally {
    latencies: Latencies,
    acknowledged: u64,
    failure: Option<Error>,
}

struct Run<C> {
    schedule: Schedule,
    clients: Mutex<Vec<Option<C>>>,
    began: OnceLock<Instant>,
    has_begun: Notify,
    ran_out: OnceLock<Instant>,
    has_run_out: Notify,
    tally: Mutex<Tally>,
}

struct Suite<C>(Arc<Run<C>>);

impl<C> Clone for Suite<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Run<C> {
    fn began(&self) -> Instant {
        *self.began.get_or_init(|| {
            self.has_begun.notify_one();
            Instant::now()
        })
    }

    fn is_measured(&self, at: Instant) -> bool {
        let since = at.saturating_duration_since(self.began());
        let is_early = self.ran_out.get().is_none_or(|ran_out| at < *ran_out);
        is_early && since >= self.schedule.warm_up && since < self.schedule.warm_up + self.schedule.window
    }

    fn run_out(&self) {
        self.ran_out.get_or_init(|| {
            self.has_run_out.notify_one();
            Instant::now()
        });
    }

    /// Reads the processor time used in the measured window, and how long that was.
    async fn meter_window(&self, meter: &Meter) -> Result<(Used, Duration)> {
        self.has_begun.notified().await;
        let starts = self.began() + self.schedule.warm_up;
        tokio::time::sleep_until(starts.into()).await;
        let before = meter.read()?;
        let ends = starts + self.schedule.window;
        tokio::select! {
            () = tokio::time::sleep_until(ends.into()) => {}
            () = self.has_run_out.notified() => {}
        }
        let used = meter.read()?.since(before);
        let ended = self.ran_out.get().map_or(ends, |ran_out| ends.min(*ran_out));
        Ok((used, ended.saturating_duration_since(starts)))
    }

    fn fail(&self, error: Error) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.failure.get_or_insert(error);
    }
}

impl<C: Client> Worker<C> {
    /// Goes on with the operation in flight, or with the next one, until it is answered.
    async fn step(&mut self, run: &Run<C>) -> Result<Duration> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Stopped) {
            Stage::Idle(mut client) => {
                let began = Instant::now();
                Stage::Busy(Box::pin(async move {
                    let outcome = client.operate().await;
                    (client, began, outcome)
                }))
            }
            other => other,
        };
        let Stage::Busy(operation) = &mut self.stage else { bail!("this client has stopped") };
        let (client, began, outcome) = operation.await;
        let ended = Instant::now();
        self.stage = Stage::Stopped;
        outcome?;
        self.stage = Stage::Idle(client);
        self.acknowledged += 1;
        let latency = ended.saturating_duration_since(began);
        if run.is_measured(ended) {
            self.latencies.record(latency);
        }
        Ok(latency)
    }

    async fn finish(&mut self, run: &Run<C>) -> Result<()> {
        if matches!(self.stage, Stage::Busy(_)) {
            self.step(run).await?;
        }
        if let Stage::Idle(client) = &mut self.stage {
            self.acknowledged += client.finish().await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<C: Client> BenchSuite for Suite<C> {
    type WorkerState = Worker<C>;

    async fn state(&self, worker_id: u32) -> Result<Worker<C>> {
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.get_mut(usize::try_from(worker_id)?).and_then(Option::take);
        let client = client.ok_or_else(|| anyhow!("there is no client {worker_id}"))?;
        Ok(Worker { stage: Stage::Idle(client), latencies: Latencies::new()?, acknowledged: 0 })
    }

    async fn bench(&mut self, worker: &mut Worker<C>, _: &IterInfo) -> Result<IterReport> {
        self.0.began();
        if matches!(&worker.stage, Stage::Idle(client) if !client.has_more()) {
            self.0.run_out();
            return std::future::pending().await;
        }
        match worker.step(&self.0).await {
            Ok(duration) => Ok(IterReport { duration, status: Status::success(0), bytes: 0, items: 1 }),
            Err(error) => {
                self.0.fail(error);
                // One failure fails the run; there is no point in repeating it until the time is over.
                std::future::pending().await
            }
        }
    }

    async fn teardown(self, mut worker: Worker<C>, _: IterInfo) -> Result<()> {
        if let Err(error) = worker.finish(&self.0).await {
            self.0.fail(error);
        }
        let mut tally = self.0.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.acknowledged += worker.acknowledged;
        tally.latencies.merge(&worker.latencies)
    }
}

/// Lets the clients work for as long as scheduled.
///
/// # Errors
///
/// The first operation that failed, whichever client's it was.
pub(crate) async fn drive<C: Client>(clients: Vec<C>, schedule: Schedule, meter: &Meter) -> Result<Measure> {
    let concurrency = clients.len().to_string();
    let duration = format!("{}ms", (schedule.warm_up + schedule.window).as_millis());
    let cli = BenchCli::try_parse_from([
        "load",
        "--quiet",
        "--concurrency",
        &concurrency,
        "--duration",
        &duration,
        "--output-file",
        "/dev/null",
    ])?;
    let run = Arc::new(Run {
        schedule,
        clients: Mutex::new(clients.into_iter().map(Some).collect()),
        began: OnceLock::new(),
        has_begun: Notify::new(),
        ran_out: OnceLock::new(),
        has_run_out: Notify::new(),
        tally: Mutex::new(Tally { latencies: Latencies::new()?, acknowledged: 0, failure: None }),
    });
    let began = Instant::now();
    let both = async { tokio::try_join!(rlt::cli::run(cli, Suite(Arc::clone(&run))), run.meter_window(meter)) };
    let ended = tokio::time::timeout(schedule.warm_up + schedule.window + STOP_TIMEOUT, both).await;
    let ((), (used, window)) = ended.context("the clients did not come to an end")??;
    let mut tally = run.tally.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = tally.failure.take() {
        return Err(error.context("an operation failed"));
    }
    if began.elapsed() < schedule.warm_up + schedule.window {
        bail!("the run was interrupted");
    }
    let window_share = window.as_secs_f64() / schedule.window.as_secs_f64();
    if tally.latencies.count() == 0 && window_share >= WINDOW_LEAST {
        bail!("no operation was answered within {} s", window.as_secs_f64());
    }
    Ok(Measure { window_share, ..measure(&tally, window.max(SHORTEST), used)? })
}

fn measure(tally: &Tally, window: Duration, used: Used) -> Result<Measure> {
    let Tally { latencies, acknowledged, .. } = tally;
    let count = latencies.count();
    Ok(Measure {
        ops_per_s: per_second(count, window).context("the rate")?,
        p50_ms: latencies.quantile_ms(0.50),
        p95_ms: latencies.quantile_ms(0.95),
        p99_ms: latencies.quantile_ms(0.99),
        server_us: microseconds_each(used.server, count)?,
        database_us: microseconds_each(used.database, count)?,
        generator_us: microseconds_each(used.generator, count)?,
        acknowledged: *acknowledged,
        window_share: 1.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const SCHEDULE: Schedule = Schedule { warm_up: Duration::from_millis(100), window: Duration::from_millis(400) };

    /// Takes a while for each operation, and counts those begun and those ended.
    #[derive(Clone, Default)]
    struct Counted {
        begun: Arc<AtomicU64>,
        ended: Arc<AtomicU64>,
        fails_at: Option<u64>,
        most: Option<u64>,
    }

    #[async_trait]
    impl Client for Counted {
        async fn operate(&mut self) -> Result<()> {
            let turn = self.begun.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.fails_at.is_some_and(|at| turn >= at) {
                bail!("refused at {turn}");
            }
            self.ended.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }

        fn has_more(&self) -> bool {
            self.most.is_none_or(|most| self.begun.load(Ordering::SeqCst) < most)
        }

        async fn finish(&mut self) -> Result<u64> {
            self.ended.fetch_add(1, Ordering::SeqCst);
            Ok(1)
        }
    }

    #[tokio::test]
    async fn nothing_in_flight_is_dropped_and_all_that_ended_is_acknowledged() -> Result<()> {
        let client = Counted::default();
        let measure = drive(vec![client.clone(); 4], SCHEDULE, &Meter::of_generator()?).await?;
        let (begun, ended) = (client.begun.load(Ordering::SeqCst), client.ended.load(Ordering::SeqCst));
        // Each of the four clients finished with one more.
        assert_eq!((ended, measure.acknowledged), (begun + 4, begun + 4));
        assert!(begun >= 8, "{begun}");
        Ok(())
    }

    #[tokio::test]
    async fn only_the_window_counts_for_the_rate() -> Result<()> {
        let measure = drive(vec![Counted::default(); 4], SCHEDULE, &Meter::of_generator()?).await?;
        // Four clients at 20 ms and more can't do over 200 a second, warm-up or not.
        assert!(measure.ops_per_s > 0.0 && measure.ops_per_s <= 220.0, "{}", measure.ops_per_s);
        assert!(measure.p50_ms >= 19.9 && measure.p50_ms <= measure.p95_ms && measure.p95_ms <= measure.p99_ms);
        Ok(())
    }

    #[tokio::test]
    async fn a_window_ends_when_there_is_nothing_left_to_do() -> Result<()> {
        let client = Counted { most: Some(100), ..Counted::default() };
        let schedule = Schedule { window: Duration::from_millis(800), ..SCHEDULE };
        let measure = drive(vec![client.clone(); 4], schedule, &Meter::of_generator()?).await?;
        // 25 turns of 20 ms each, five of them before the window; idle time would make the rate a half of this.
        assert!(measure.ops_per_s > 100.0 && measure.ops_per_s <= 220.0, "{}", measure.ops_per_s);
        let client = Counted { most: Some(24), ..Counted::default() };
        let short = drive(vec![client.clone(); 4], schedule, &Meter::of_generator()?).await?;
        assert!(measure.is_long_enough() && !short.is_long_enough(), "{measure:?} {short:?}");
        // Each of the four clients finished with one more.
        assert_eq!(short.acknowledged, client.ended.load(Ordering::SeqCst));
        Ok(())
    }

    #[tokio::test]
    async fn one_failed_operation_fails_the_run_and_is_not_repeated() -> Result<()> {
        let client = Counted { fails_at: Some(3), ..Counted::default() };
        let outcome = drive(vec![client.clone(); 2], SCHEDULE, &Meter::of_generator()?).await;
        let error = outcome.err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error.contains("refused at"), "{error}");
        assert!(client.begun.load(Ordering::SeqCst) <= 5);
        Ok(())
    }
}
