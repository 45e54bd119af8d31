//! Reading and writing: tolerance, places of errors, and that nothing is lost on the way.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use ghmc::base::span::Sources;
use ghmc::data::network::{NetFormat, read_network, write_network};
use ghmc::diag::Code;
use ghmc::model::Network;

use super::{data, parse};

/// A network with all that is odd and allowed.
const ODD: &str = r#"
// A comment; network { }
network "rain & co" { property author "a; b" ; property version = 2; }
probability ( how wet | rain, level/2 ) { // before its variables
  property seen // here;
  default 0.25, 0.25, 0.5;
  (yes, >=5.5) 1e-3 0.999 0;
  ("no", [0,1)) 0.333, 0.333, 0.333;
}
variable rain { type discrete [ 2 ] { no, yes }; property position = (12, 4); }
variable how wet { /* states
over lines */ type discrete[3] {
    dry as dust,
    -,
    "so \"wet\""
  };
}
variable level/2 {
  type discrete [ 3 ] { "[0,1)", [1_5.5), >=5.5 };
}
probability ( rain ) { table 0.8 0.2; }
probability ( level/2 | rain ) { table 0.5 0.1, 0.25 0.1, 0.25 0.8; }
"#;

fn format_of(path: &std::path::Path) -> NetFormat {
    NetFormat::of_path(path).expect("a network's ending")
}

/// Written and read again it is the same, in every format that can hold it.
pub fn round_trips(network: &Network, formats: &[NetFormat]) {
    for &format in formats {
        let text = write_network(network, format).expect("it can be written");
        let again = match parse(format, &text) {
            Ok(again) => again,
            Err(refused) => panic!("{format:?} does not read back: {}", refused.1),
        };
        assert!(again == *network, "{format:?} lost something of {}", network.name);
    }
}

#[test]
fn odd_files_are_read() {
    let network = match parse(NetFormat::Bif, ODD) {
        Ok(network) => network,
        Err(refused) => panic!("{}", refused.1),
    };
    assert_eq!(network.name, "rain & co");
    assert_eq!(network.properties, ["author \"a; b\"", "version = 2"]);
    let names: Vec<&str> = network.variables.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["rain", "how wet", "level/2"]);
    assert_eq!(network.variables[1].states, ["dry as dust", "-", "so \"wet\""]);
    assert_eq!(network.variables[2].states, ["[0,1)", "[1_5.5)", ">=5.5"]);
    assert_eq!(network.variables[0].properties, ["position = (12, 4)"]);
    let wet = &network.factors[0];
    assert_eq!((wet.scope.as_slice(), wet.child), ([0, 2, 1].as_slice(), Some(1)));
    assert_eq!(wet.properties, ["seen // here"]);
    assert_eq!(wet.values[3..6], [0.25, 0.25, 0.5]);
    assert_eq!(wet.values[15..], [1e-3, 0.999, 0.0]);
    // 0.333 three times is a third, but for rounding.
    assert!(wet.values[..3].iter().all(|v| (v - 1.0 / 3.0).abs() < 1e-16));
    assert_eq!(network.factors[2].values, [0.5, 0.25, 0.25, 0.1, 0.1, 0.8]);
    round_trips(&network, &[NetFormat::Bif, NetFormat::XmlBif]);
}

#[test]
fn commas_may_be_left_out_where_the_counts_tell() {
    let text = "network n {} variable a { type discrete[2] { x y }; } variable b { type discrete[2] { u v } }
        probability ( b a ) { (x) .5 .5; (y) 1 0; } probability(a) { table 0.25 0.75 }";
    let network = parse(NetFormat::Bif, text).expect("it is read");
    assert_eq!(network.factors[0].scope, [0, 1]);
    assert_eq!(network.factors[0].values, [0.5, 0.5, 1.0, 0.0]);
    round_trips(&network, &[NetFormat::Bif, NetFormat::XmlBif]);
}

#[test]
fn errors_say_where_and_how_to_mend() {
    let head = "network n {\n}\nvariable a {\n  type discrete [ 2 ] { x, y };\n}\n";
    let whole = |rest: &str| format!("{head}{rest}");
    let cases = [
        ("variable a {\n  type discrete [ 3 ] { x, y };\n}".to_string(), Code::BodyLength, (2, 19)),
        ("variable a {\n  type discrete [ 2 ] { x, x };\n}".to_string(), Code::DefinedTwice, (2, 28)),
        ("variable a {\n  type continuous;\n}".to_string(), Code::NotSupported, (2, 8)),
        ("varable a {}".to_string(), Code::MalformedData, (1, 1)),
        ("variable a { type discrete [ 2 ] { x, y };".to_string(), Code::MalformedData, (1, 43)),
        ("/* open".to_string(), Code::MalformedData, (1, 1)),
        (String::new(), Code::EmptyData, (1, 1)),
        (whole(""), Code::NeverDefined, (3, 10)),
        (whole("probability ( b ) { table 1; }"), Code::UnknownName, (6, 15)),
        (whole("probability ( a ) {\n  table 0.5, 0.4x;\n}"), Code::BadValue, (7, 14)),
        (whole("probability ( a ) {\n  table 0.5, -0.5;\n}"), Code::BadValue, (7, 14)),
        (whole("probability ( a ) {\n  table 0.5, nan;\n}"), Code::BadValue, (7, 14)),
        (whole("probability ( a ) {\n  table 0.5, 0.4, 0.1;\n}"), Code::BodyLength, (7, 3)),
        (whole("probability ( a ) {\n  table 0.5, 0.1;\n}"), Code::BadTable, (6, 14)),
        (whole("probability ( a ) {\n  table 0.5, 0.5;"), Code::Unbalanced, (6, 12)),
        (whole("probability ( a | a ) {\n}"), Code::DefinedTwice, (6, 19)),
        (
            whole("variable b { type discrete [1] { z }; }\nprobability ( b | a ) {\n  (x) 1;\n}"),
            Code::BadTable,
            (7, 14),
        ),
        (
            whole("variable b { type discrete [1] { z }; }\nprobability ( b | a ) {\n  (x) 1;\n  (x) 1; (y) 1;\n}"),
            Code::BadTable,
            (9, 3),
        ),
        (
            whole("variable b { type discrete [1] { z }; }\nprobability ( b | a ) {\n  (x) 1;\n  (why) 1;\n}"),
            Code::UnknownLabel,
            (9, 4),
        ),
        (
            whole(
                "variable b { type discrete [1] { z }; }\nprobability ( b | a ) { default 1; } probability ( a | b ) { default 0.5, 0.5; }",
            ),
            Code::DirectedCycle,
            (3, 10),
        ),
    ];
    for (text, code, place) in cases {
        let (diagnostic, drawn, at) = *parse(NetFormat::Bif, &text).expect_err(&text);
        assert_eq!((diagnostic.code, at), (code, place), "{text}\n{drawn}");
        assert!(diagnostic.help.is_some(), "{text}\n{drawn}");
    }
}

#[test]
fn a_short_file_cannot_ask_for_much_memory() {
    let mut text = String::from("network n {}\n");
    for v in 0..80 {
        text += &format!("variable v{v} {{ type discrete [ 2 ] {{ a, b }}; }}\nprobability ( v{v}");
        text += &(0..v).map(|p| format!(" v{p}")).collect::<String>();
        text += " ) { default 0.5, 0.5; }\n";
    }
    let began = Instant::now();
    let (diagnostic, ..) = *parse(NetFormat::Bif, &text).expect_err("2 to the 79th numbers");
    assert_eq!(diagnostic.code, Code::TooLarge);
    for text in [
        "MARKOV 3 1000000 1000000 1000000 1 3 0 1 2 1000000000000000000",
        "MARKOV 99999999999999999999",
        "MARKOV 1 2 9",
    ] {
        assert!(parse(NetFormat::Uai, text).is_err());
    }
    let nested = format!("<BIF>{}", "<a>".repeat(200_000));
    assert!(parse(NetFormat::XmlBif, &nested).is_err());
    let bomb = format!(
        "<!DOCTYPE b [<!ENTITY a \"{}\">{}]><BIF><NETWORK><NAME>&i;</NAME></NETWORK></BIF>",
        "x".repeat(1000),
        ('b'..='i')
            .map(|c| format!("<!ENTITY {c} \"{}\">", format!("&{};", (c as u8 - 1) as char).repeat(10)))
            .collect::<String>()
    );
    assert!(parse(NetFormat::XmlBif, &bomb).is_err());
    assert!(began.elapsed().as_secs() < 20);
}

#[test]
fn xml_is_read() {
    let text = r#"<?xml version="1.0" encoding="US-ASCII"?>
<!DOCTYPE BIF [ <!ELEMENT BIF ( NETWORK )*> <!ATTLIST BIF VERSION CDATA #REQUIRED> ]>
<BIF VERSION="0.3"><NETWORK><NAME> a &amp; b </NAME>
<VARIABLE TYPE="nature"><NAME>hear-bark</NAME><OUTCOME>true</OUTCOME><OUTCOME>&lt;5</OUTCOME>
  <PROPERTY>position = (154, 241)</PROPERTY></VARIABLE>
<VARIABLE TYPE="nature"><NAME>out</NAME><OUTCOME>true</OUTCOME><OUTCOME>false</OUTCOME></VARIABLE>
<DEFINITION><FOR>hear-bark</FOR><GIVEN>out</GIVEN><TABLE>0.7 0.3 <!-- true --> .01 9.9e-1</TABLE></DEFINITION>
<DEFINITION><FOR>out</FOR><TABLE>0.6 0.4</TABLE></DEFINITION>
</NETWORK></BIF>"#;
    let network = parse(NetFormat::XmlBif, text).expect("it is read");
    assert_eq!((network.name.as_str(), network.variables[0].states[1].as_str()), ("a & b", "<5"));
    assert_eq!(network.factors[0].values, [0.7, 0.3, 0.01, 0.99]);
    round_trips(&network, &[NetFormat::Bif, NetFormat::XmlBif]);
    for (from, to, code, line) in [
        ("9.9e-1", "0.99x", Code::BadValue, 7),
        ("9.9e-1", "", Code::BodyLength, 7),
        ("<GIVEN>out", "<GIVEN>oat", Code::UnknownName, 7),
        ("0.6", "0.1", Code::BadTable, 8),
        ("</NETWORK>", "", Code::MalformedData, 9),
        ("TYPE=\"nature\"><NAME>out", "TYPE=\"utility\"><NAME>out", Code::NotSupported, 6),
    ] {
        let (diagnostic, drawn, at) = *parse(NetFormat::XmlBif, &text.replace(from, to)).expect_err(to);
        assert_eq!((diagnostic.code, at.0), (code, line), "{drawn}");
    }
}

#[test]
fn numbers_without_names_are_read() {
    let text = "MARKOV\n3\n2 3 1\n2\n2 1 0\n1 2\n\n6\n 4.0 0.5\n 0 1e-300\n 7 1\n\n1\n2.5";
    let network = parse(NetFormat::Uai, text).expect("it is read");
    assert_eq!(network.cards(), [2, 3, 1]);
    assert_eq!(network.factors[0].scope, [1, 0]);
    assert_eq!(network.factors[0].values, [4.0, 0.5, 0.0, 1e-300, 7.0, 1.0]);
    round_trips(&network, &[NetFormat::Uai]);
    assert!(write_network(&network, NetFormat::Bif).is_err());
    let bayes = "BAYES 2 2 2 2 1 0 2 0 1 2 0.25 0.75 4 1 0 0.5 0.5";
    let network = parse(NetFormat::Uai, bayes).expect("it is read");
    assert_eq!((network.factors[1].child, network.variables[1].name.as_str()), (Some(1), "x1"));
    round_trips(&network, &[NetFormat::Uai, NetFormat::Bif, NetFormat::XmlBif]);
    for (text, code) in [
        ("MARKOW 1 2 0", Code::MalformedData),
        ("MARKOV 1 0 0", Code::BadValue),
        ("MARKOV 1 2 1 1 1 2 1 1", Code::UnknownName),
        ("MARKOV 1 2 1 2 0 0 4 1 1 1 1", Code::DefinedTwice),
        ("MARKOV 1 2 1 1 0 3 1 1 1", Code::BodyLength),
        ("MARKOV 1 2 1 1 0 2 1", Code::BodyLength),
        ("MARKOV 1 2 1 1 0 2 1 -1", Code::BadValue),
        ("MARKOV 1 2 1 1 0 2 1 1 1", Code::MalformedData),
        ("BAYES 1 2 1 1 0 2 1 1", Code::BadTable),
        ("BAYES 2 2 2 1 1 0 2 0.5 0.5", Code::NeverDefined),
    ] {
        let (diagnostic, drawn, _) = *parse(NetFormat::Uai, text).expect_err(text);
        assert_eq!(diagnostic.code, code, "{text}\n{drawn}");
        assert!(diagnostic.help.is_some());
    }
}

#[test]
fn real_files_come_back_the_same() {
    let Some(root) = data() else { return };
    let mut paths: Vec<PathBuf> = ["bn", "uai"]
        .iter()
        .flat_map(|f| fs::read_dir(root.join(f)).expect("a folder of networks"))
        .map(|e| e.expect("an entry").path())
        .filter(|p| NetFormat::of_path(p).is_some())
        .collect();
    paths.sort();
    assert!(paths.len() > 60, "only {} networks", paths.len());
    for path in paths {
        let mut sources = Sources::default();
        let network = match read_network(&path, &mut sources) {
            Ok(network) => network,
            Err(d) => panic!("{}", ghmc::diag::render(&d, &sources, ghmc::diag::Style::PLAIN)),
        };
        match format_of(&path) {
            NetFormat::Uai => round_trips(&network, &[NetFormat::Uai]),
            _ => round_trips(&network, &[NetFormat::Bif, NetFormat::XmlBif]),
        }
    }
}
