//! `ghmc compare`: two finished runs side by side, from what they left in their directories.

use ghmc::report::{Against, Comparison, write_page};

use super::args::CompareArgs;
use super::terminal::Terminal;
use super::trouble::{Trouble, exit, print};

/// Prints the comparison, and writes its page where one is asked for.
pub fn compare(args: &CompareArgs, terminal: &Terminal) -> Result<u8, Trouble> {
    let this = Against::read(&args.this)?;
    let that = Against::read(&args.that)?;
    let name = this.name;
    let mut this = this.report;
    let both = Comparison { this: &this, that: &that };
    match args.format.is_json() {
        true => {
            let mut told = both.json();
            told["this"] = name.into();
            print(&format!("{told:#}\n"))?;
        }
        false => {
            tell_remark(&both, terminal);
            print(&format!("this: {name}\nthat: {}\n\n{}", that.name, comparison_text(&both)))?;
        }
    }
    if let Some(path) = &args.html {
        this.against = Some(Box::new(that));
        write_page(&this, path)?;
    }
    Ok(exit::DONE)
}

/// The figures of both, or that there are none.
pub fn comparison_text(both: &Comparison) -> String {
    let table = both.table();
    if table.is_empty() {
        "neither run has a figure: their answers stand in their reports\n".to_string()
    } else {
        table
    }
}

/// Says on standard error what must be known before the two are compared.
pub fn tell_remark(both: &Comparison, terminal: &Terminal) {
    let remark = both.remark();
    if !remark.is_empty() {
        terminal.say(&format!("note: {remark}\n"));
    }
}
