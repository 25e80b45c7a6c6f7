//! The table of error codes against the one that Java printed.

use milena_proto::wire::ErrorCode;

const JAVA: &str = include_str!("../../../../testdata/wire/error-codes.tsv");

fn rows() -> Vec<(i16, &'static str, bool)> {
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        let mut column = || columns.next().expect("three columns");
        (column().parse().unwrap(), column(), column().parse().unwrap())
    };
    JAVA.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

#[test]
fn codes_names_and_retriability_are_javas() {
    let ours: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.0, code.name(), code.is_retriable())).collect();
    assert_eq!(ours, rows());
    assert_eq!(ours.len(), 135);
}

#[test]
fn constants_have_the_numbers_of_their_names() {
    assert_eq!(ErrorCode::NONE, ErrorCode::default());
    assert_eq!(ErrorCode::UNKNOWN_SERVER_ERROR, ErrorCode(-1));
    assert_eq!(ErrorCode::STALE_MEMBER_EPOCH, ErrorCode(113));
    assert!(ErrorCode::NONE.is_ok());
    assert!(!ErrorCode::UNKNOWN_SERVER_ERROR.is_ok());
}

#[test]
fn codes_print_name_and_number() {
    assert_eq!(ErrorCode(6).to_string(), "NOT_LEADER_OR_FOLLOWER (6)");
    assert_eq!(format!("{:?}", ErrorCode(-1)), "UNKNOWN_SERVER_ERROR (-1)");
}

#[test]
fn a_code_from_the_future_keeps_its_number_and_is_not_retried() {
    let code = ErrorCode(9999);
    assert_eq!(code.to_string(), "UNKNOWN (9999)");
    assert!(!code.is_ok() && !code.is_retriable());
    assert!(!code.message().is_empty());
}

#[test]
fn every_message_is_one_short_line() {
    for code in ErrorCode::ALL {
        let message = code.message();
        assert!(!message.is_empty() && message.len() < 90 && !message.ends_with('.'), "{code}: {message}");
    }
}
