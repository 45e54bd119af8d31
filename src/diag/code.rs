//! The closed table of diagnostic codes: number and one-line title. A code never changes its meaning; each has a page in `docs/errors/`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Severity;

macro_rules! codes {
    ($($name:ident $number:ident $title:literal;)+) => {
        /// What kind of thing is wrong. The letter says error or warning, the first two digits the stage.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $(#[doc = $title] $name,)+
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The number as printed, such as `E0304`.
            pub fn number(self) -> &'static str {
                match self { $(Code::$name => stringify!($number),)+ }
            }

            /// What the code means, in one line.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)+ }
            }
        }
    };
}

codes! {
    Unexpected E0101 "something else was expected here";
    Unbalanced E0102 "a bracket without its partner";
    UnclosedText E0103 "a text that is never closed";
    UnknownItem E0104 "not a word that begins an item or a statement";
    ReservedWord E0105 "a reserved word where a name must stand";
    ForeignNotation E0106 "notation of another language";
    TooDeep E0107 "nested too deeply";
    TooLarge E0108 "a file too large to be a model";
    BadNumber E0109 "not a number";
    BadCharacter E0110 "a character the language does not use";
    NameForm E0111 "a name written the wrong way";

    UnknownName E0201 "a name that nothing defines";
    DefinedTwice E0202 "a name defined twice";
    WrongKind E0203 "a name of the wrong kind";
    UnknownFunction E0204 "a distribution, function, layer or engine that does not exist";
    UnknownArgument E0205 "an argument the callee does not have";
    WrongArguments E0206 "arguments missing or too many";
    WhichModel E0207 "more than one model could be meant";
    UnknownLabel E0208 "a label its enumeration does not have";
    UnknownFile E0209 "a file to `use` that cannot be had";

    UnknownAxis E0301 "an axis that nothing declares";
    RepeatedAxis E0302 "an axis twice in one declaration";
    AxesDisagree E0303 "axes that do not agree";
    Contraction E0304 "an `@` without a clear shared axis";
    WrongIndex E0305 "an index that does not fit its axis";
    UnboundIndex E0306 "an index no `for` introduces";
    UnknownSize E0307 "an axis without a size";
    OutsideAxis E0308 "a `~` that reaches outside its axis";
    AxisCycle E0309 "axes that stand for each other";
    UnplacedList E0310 "a list that does not know its axis";
    BadSetting E0311 "a size set from outside that fits no axis";

    UnknownDomain E0401 "a domain that does not exist";
    OutsideSupport E0402 "a value outside its domain";
    DomainsDisagree E0403 "domains that do not agree";
    BadTable E0404 "a table with rows missing or repeated";
    NotAValue E0405 "something without a value where a value is needed";
    MissingDomain E0406 "a declaration without its domain";

    TwoDefinitions E0501 "a variable with two definitions";
    DirectedCycle E0502 "variables that define each other";
    Untouched E0503 "a latent variable that nothing touches";
    Improper E0504 "a density that cannot be normalised";
    Implicit E0505 "the likelihood of an implicit model";
    NeverDefined E0506 "a variable without a definition";

    TooExpensive E0601 "inference that costs too much";
    RequireUnmet E0602 "an exact answer that was required and cannot be had";
    NotReparameterised E0603 "a discrete variable cannot be reparameterised";
    OverrideRefused E0604 "an engine that would be wrong here";
    NoEngine E0605 "no engine fits";
    NotSupported E0606 "not built yet";

    NothingBound E0701 "data that binds no variable";
    GivenUnbound E0702 "a `given` without data";
    NearMiss E0703 "a column that almost names a variable";
    UnknownColumn E0704 "a column the data does not have";
    UnknownData E0705 "data that cannot be found";
    NewLabel E0706 "a label that training never saw";
    BadValue E0707 "a value that does not fit its column";
    UnreadableData E0708 "data that cannot be read";
    UnknownSplit E0709 "a split the data does not have";
    ShapesDisagree E0710 "data of another shape than declared";
    BadEvidence E0711 "evidence that does not fit the model";
    EmptyData E0712 "data without a row";
    BadHeader E0713 "a header that does not name the columns";
    RaggedRows E0714 "a line with more or fewer cells than the header";
    MalformedData E0715 "data that does not follow its format";
    ElementType E0716 "elements of a type that is not read";
    PartsDisagree E0717 "parts of a data set that do not fit together";
    TooFewRows E0718 "a request that the rows cannot meet";
    UnknownFormat E0719 "a file whose name says no format";
    BodyLength E0720 "a body of another length than its header says";

    Diverged E0801 "training left the finite numbers";
    BadSchedule E0802 "a training line that cannot be carried out";
    NothingToLearn E0803 "an objective that depends on no parameter of its group";
    ImpossibleRow E0804 "a row of probability zero";

    MissingFile E0901 "a file that cannot be opened";
    WrongVersion E0902 "a file written by another version";
    CorruptFile E0903 "a file that is damaged";
    CannotWrite E0904 "a file that cannot be written";
    OtherModel E0905 "parameters of another model";
    OtherRun E0906 "a checkpoint of another run";
    Occupied E0907 "a folder that already holds a run";
    NoRun E0908 "no run there";
    ImageSize E0909 "an image that does not fill its frame";
    Busy E0910 "a folder that another process is at work in";

    LearnedFeatures W0501 "a likelihood of features that are learned with it";
    Unidentified W0502 "parameters that only their sum tells";
    RowOwnParameter W0503 "a variable of each row that only parameters could be";

    NearLimit W0601 "inference close to what is refused";
    IdleRequirement W0602 "a requirement that nothing is held to";

    Collapsed W0801 "a latent variable that says nothing of its row";
}

impl Code {
    /// Error or warning.
    pub fn severity(self) -> Severity {
        if self.number().starts_with('W') { Severity::Warning } else { Severity::Error }
    }

    /// The code of that number, in either case.
    pub fn find(number: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|c| c.number().eq_ignore_ascii_case(number))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.number())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = String::deserialize(deserializer)?;
        Code::find(&number).ok_or_else(|| serde::de::Error::custom(format!("`{number}` is not a diagnostic code")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_and_distinct() {
        let numbers: Vec<_> = Code::ALL.iter().map(|c| c.number()).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(numbers, sorted);
        assert_eq!(Code::find("e0304"), Some(Code::Contraction));
    }
}
