//! Programs that read well and mean nothing: each annotated with the codes it must give.

use ghmc::sema::{Input, check, sources};
use ghmc::syntax::parse;

use super::corners::digits;
use crate::syntax::ui::cases;

#[test]
fn bad_programs_get_their_messages() {
    cases("sema", &|texts, file, problems| {
        let tree = parse(texts, file, problems);
        assert!(!problems.has_errors(), "a case of this stage reads without an error");
        let mut input = Input::default();
        for request in sources(&tree).into_iter().filter(|r| r.reader == "dataset") {
            input.schemas.insert(request.name, digits());
        }
        check(&tree, &input, problems);
    });
}
