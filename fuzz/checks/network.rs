//! What must hold of any bytes given as a network file: they are read or refused with a place and a mend, never a panic; what is read is
//! written and read again to the same network, and its model is text that the parser takes.

use ghmc::base::span::Sources;
use ghmc::data::network::{TablesAs, NetFormat, parse_network, to_model, write_network};
use ghmc::diag::{Problems, Style, render};
use ghmc::syntax;

/// Panics where reading or writing breaks a promise on these bytes. The first byte chooses the format.
pub fn check(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let format = [NetFormat::Bif, NetFormat::XmlBif, NetFormat::Uai][usize::from(choice % 3)];
    let text = String::from_utf8_lossy(rest);
    let mut sources = Sources::default();
    let file = sources.add("net", text.as_ref());
    let network = match parse_network(format, &sources, file) {
        Ok(network) => network,
        Err(error) => {
            assert!(!error.message.is_empty() && error.help.is_some(), "{error:?}");
            assert!(!render(&error, &sources, Style::PLAIN).is_empty());
            return;
        }
    };
    // A row left to a default may be repeated many times: what is large is read but not written here.
    if network.cells() > 1 << 16 {
        return;
    }
    let written = write_network(&network, format).expect("its own format holds it");
    let mut sources = Sources::default();
    let file = sources.add("again", written.as_str());
    match parse_network(format, &sources, file) {
        Ok(again) => assert!(again == network, "lost on the way:\n{written}"),
        Err(error) => panic!("{}", render(&error, &sources, Style::PLAIN)),
    }
    let model = to_model(&network, "net", TablesAs::Numbers);
    let mut problems = Problems::new();
    let file = sources.add("net.ghm", model.as_str());
    syntax::parse(&sources, file, &mut problems);
    assert!(model.len() >= syntax::MAX_BYTES || !problems.has_errors(), "{model}\n{:?}", problems.sorted());
}
