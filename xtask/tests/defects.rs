//! The simulation's planted defects still fit the sources that they are planted in.

use std::collections::BTreeMap;
use std::fs;

use xtask::defects::{Defect, all, plant};

#[test]
fn every_defect_can_be_planted_beside_all_others() {
    let defects = all(&xtask::root()).unwrap();
    assert!(defects.len() >= 40, "{}", defects.len());
    let mut sources = BTreeMap::new();
    for file in defects.iter().flat_map(|defect| &defect.edits).map(|edit| &edit.file) {
        let text = fs::read_to_string(xtask::root().join(file)).unwrap_or_default();
        sources.entry(file.clone()).or_insert(text);
    }
    let wrong: Vec<_> = defects.iter().filter_map(|defect| plant(&mut sources, defect).err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_not_there_once_is_not_replaced() {
    let defect = Defect::parse("d", "repeats: x\nin: f\nis:\na\nbecomes:\ndefect(\"d\")\n").unwrap();
    for (text, wanted) in [("b", None), ("aa", None), ("bab", Some("bdefect(\"d\")b"))] {
        let mut sources = BTreeMap::from([("f".to_owned(), text.to_owned())]);
        let planted = plant(&mut sources, &defect).is_ok().then(|| sources["f"].as_str().to_owned());
        assert_eq!(planted.as_deref(), wanted);
    }
}

#[test]
fn a_defect_without_a_switch_is_none() {
    assert!(Defect::parse("d", "repeats: x\nin: f\nis:\na\nbecomes:\nb\n").is_err());
    assert!(Defect::parse("d", "in: f\nis:\na\nbecomes:\ndefect(\"d\")\n").is_err());
}
