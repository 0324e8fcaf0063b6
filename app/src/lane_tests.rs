//! What a lane promises, over runners that note what they were given.

use super::*;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Doubles numbers, one permit a batch; panics at 13 and notes each batch.
struct Doubler {
    permits: Semaphore,
    batches: Mutex<Vec<Vec<u32>>>,
}

#[async_trait]
impl Runner<u32, u32> for Doubler {
    async fn run(&self, jobs: &[u32]) -> Vec<u32> {
        self.permits.acquire().await.unwrap().forget();
        self.batches.lock().unwrap().push(jobs.to_vec());
        assert!(!jobs.contains(&13), "unlucky");
        jobs.iter().map(|job| job * 2).collect()
    }
}

fn lane(permits: usize) -> (Arc<Doubler>, Arc<Lane<u32, u32>>) {
    let runner = Arc::new(Doubler { permits: Semaphore::new(permits), batches: Mutex::default() });
    (runner.clone(), Arc::new(Lane::start(runner)))
}

fn submit(lane: &Arc<Lane<u32, u32>>, job: u32) -> impl Future<Output = Result<u32, LaneError>> + use<> {
    let lane = lane.clone();
    let submitted = async move { lane.submit(job).await };
    // Polled once, so that it stands in the queue when this returns.
    let mut submitted = Box::pin(submitted);
    assert!(submitted.as_mut().now_or_never().is_none());
    submitted
}

/// Lets the lane's task go on until it waits.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_idle_lane_begins_at_once() {
    let (runner, lane) = lane(1);
    assert_eq!(lane.submit(4).await, Ok(8));
    assert_eq!(*runner.batches.lock().unwrap(), [vec![4]]);
}

#[tokio::test]
async fn jobs_that_arrive_meanwhile_form_one_batch_in_order() {
    let (runner, lane) = lane(0);
    let first = submit(&lane, 1);
    settle().await;
    let rest: Vec<_> = (2..6).map(|job| submit(&lane, job)).collect();
    runner.permits.add_permits(2);
    assert_eq!(first.await, Ok(2));
    for (job, answer) in (2..6).zip(rest) {
        assert_eq!(answer.await, Ok(job * 2));
    }
    assert_eq!(*runner.batches.lock().unwrap(), [vec![1], vec![2, 3, 4, 5]]);
}

#[tokio::test]
async fn a_batch_has_a_limit() {
    let (runner, lane) = lane(0);
    let first = submit(&lane, 0);
    settle().await;
    let count = u32::try_from(BATCH_MAX).unwrap() + 1;
    let rest: Vec<_> = (20..20 + count).map(|job| submit(&lane, job)).collect();
    runner.permits.add_permits(3);
    first.await.unwrap();
    for answer in rest {
        answer.await.unwrap();
    }
    let sizes: Vec<usize> = runner.batches.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, BATCH_MAX, 1]);
}

#[tokio::test]
async fn a_panic_costs_nobody_else_the_answer() {
    let (runner, lane) = lane(0);
    let first = submit(&lane, 1);
    settle().await;
    let (before, unlucky, after) = (submit(&lane, 2), submit(&lane, 13), submit(&lane, 3));
    runner.permits.add_permits(5);
    assert_eq!(first.await, Ok(2));
    assert_eq!(before.await, Ok(4));
    assert_eq!(unlucky.await, Err(LaneError::Panicked));
    assert_eq!(after.await, Ok(6));
    assert_eq!(*runner.batches.lock().unwrap(), [vec![1], vec![2, 13, 3], vec![2], vec![13], vec![3]]);
    runner.permits.add_permits(1);
    assert_eq!(lane.submit(5).await, Ok(10), "the lane lives on");
}

#[tokio::test]
async fn who_goes_away_before_the_job_is_begun_takes_it_back() {
    let (runner, lane) = lane(0);
    let first = submit(&lane, 1);
    settle().await;
    let gone = submit(&lane, 2);
    let stays = submit(&lane, 3);
    drop(gone);
    runner.permits.add_permits(2);
    first.await.unwrap();
    stays.await.unwrap();
    assert_eq!(*runner.batches.lock().unwrap(), [vec![1], vec![3]]);
}

#[tokio::test]
async fn a_full_lane_refuses_and_recovers() {
    let (runner, lane) = lane(0);
    let first = submit(&lane, 1);
    settle().await;
    let waiting: Vec<_> = (0..QUEUE_MAX).map(|_| submit(&lane, 2)).collect();
    assert_eq!(lane.submit(3).await, Err(LaneError::Full));
    runner.permits.add_permits(1 + QUEUE_MAX.div_ceil(BATCH_MAX) + 1);
    first.await.unwrap();
    for answer in waiting {
        assert_eq!(answer.await, Ok(4));
    }
    assert_eq!(lane.submit(3).await, Ok(6));
}

#[tokio::test]
async fn what_was_handed_in_is_done_when_the_last_handle_goes() {
    let (runner, lane) = lane(0);
    let first = submit(&lane, 1);
    settle().await;
    let second = submit(&lane, 2);
    drop(lane);
    runner.permits.add_permits(2);
    let both = tokio::time::timeout(Duration::from_secs(5), futures_util::future::join(first, second)).await;
    assert_eq!(both.unwrap(), (Ok(2), Ok(4)));
}
