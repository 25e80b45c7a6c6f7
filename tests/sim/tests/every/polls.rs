//! Every poll: each public asynchronous function of client and source, dropped at each of its polls.
//!
//! A case plays a small piece in which one call is dropped, and then goes on with the work: the same call is made again and must
//! do what it says, everything is read, acknowledged and committed, and the judge finds nothing. It is played with the call
//! dropped before its first poll, right behind it, when it is woken for the second, right behind that, and so on, until the call is
//! over before it can be dropped. A test reads the sources of both crates and fails when a public asynchronous function has no
//! case.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use crate::cases;
use crate::scan;
use crate::stage::alone;

/// Plays a piece whose call is dropped at that moment. Says whether the call was over before.
pub(crate) type Piece = fn(usize) -> Pin<Box<dyn Future<Output = Result<bool, String>>>>;

/// One piece, and the functions that are dropped in it.
pub(crate) struct Case {
    pub(crate) functions: &'static [&'static str],
    pub(crate) play: Piece,
}

/// What a future comes to, unless it is dropped: at 0 before its first poll, at 1 right behind it, at 2 when it was woken and in
/// place of its second poll, at 3 right behind that, and so on.
pub(crate) async fn dropped_at<T>(moment: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    let (mut left, is_behind) = (moment.div_ceil(2), moment % 2 == 1);
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 && is_behind => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// No function has more moments than that before it is over.
const MOMENTS_MAX: usize = 200;

#[test]
fn a_call_that_is_dropped_at_any_poll_costs_nothing() {
    let mut played = 0;
    let mut wrong = Vec::new();
    for case in cases::all() {
        for moment in 0.. {
            assert!(moment < MOMENTS_MAX, "{:?} finds no end", case.functions);
            played += 1;
            match alone((case.play)(moment)) {
                Ok(true) => {
                    println!("{moment:>3} moments: {}", case.functions.join(", "));
                    break;
                }
                Ok(false) => {}
                Err(error) => {
                    wrong.push(format!("{} dropped at moment {moment}: {error}", case.functions.join(", ")));
                    break;
                }
            }
        }
    }
    println!("{played} pieces");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_public_asynchronous_function_has_a_case() {
    let functions = scan::asynchronous();
    let mut known: Vec<&str> = cases::all().iter().flat_map(|case| case.functions).copied().collect();
    known.sort_unstable();
    for function in &functions {
        assert!(known.contains(&function.as_str()), "{function} is never dropped in the middle: add a case");
    }
    for known in known {
        assert!(
            functions.iter().any(|function| function == known),
            "{known} is no public asynchronous function"
        );
    }
    // That the scan finds something at all, in both crates and of each kind.
    for certain in ["Client::connect", "Source::drain", "BatchStream: Stream", "Delivery: Future"] {
        assert!(functions.iter().any(|function| function == certain), "the scan does not find {certain}");
    }
}
