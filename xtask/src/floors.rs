//! `cargo xtask check floors`: which file takes names from which, and that none takes them from a
//! floor above or in a circle.
//!
//! Files are nodes. A path that begins with `crate`, `self` or `super`, in an import or in code, is
//! an arrow to the file that defines the name; a re-export is followed to there. A module and the
//! modules inside it are one: neither direction between them counts. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree};
use tokenkeep_test_support::workspace_root;

use crate::stage::Failure;

/// The crates, and of each its modules from the top floor down. Modules of one floor may take names
/// from each other.
const CRATES: &[(&str, &[&[&str]])] = &[
    (
        "src",
        &[
            &["persisted"],
            &["persistence"],
            &["seal", "cache"],
            &["lock", "interaction"],
            &["error"],
            &["secret"],
        ],
    ),
    (
        "platform/src",
        &[
            &["environment", "lock"],
            &["vault", "descriptor"],
            &["file", "protect"],
            &["sync", "text", "user", "clock", "random", "wipe"],
        ],
    ),
    (
        "cli/src",
        &[
            &["command"],
            &["open", "key"],
            &["input", "output"],
            &["failure"],
            &["args"],
            &["descriptor"],
        ],
    ),
    ("test-support/src", &[]),
    ("xtask/src", &[]),
];

/// A module's path, such as `["cache", "entry"]`; the crate's root has none.
type Module = Vec<String>;

pub(crate) fn check() -> Result<(), Failure> {
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for (folder, floors) in CRATES {
        let house = House::read(&workspace_root().join(folder))?;
        arrows += house.arrows.values().map(BTreeSet::len).sum::<usize>();
        let circle = house.circle();
        if !circle.is_empty() {
            wrong.push(format!("{folder}: a circle of {}", circle.join(", ")));
        }
        wrong.extend(house.upward(floors).into_iter().map(|arrow| format!("{folder}: {arrow}")));
    }
    if !wrong.is_empty() {
        return Err(Failure::new(wrong.join("\n")));
    }
    println!("{arrows} arrows between files: no circle, and none leads up a floor");
    Ok(())
}

/// The files of one crate.
struct House {
    arrows: BTreeMap<Module, BTreeSet<Module>>,
}

/// What one file says.
#[derive(Default)]
struct Room {
    module: Module,
    /// Paths that it uses, absolute in the crate.
    uses: Vec<Module>,
    /// Names that it passes on, and where it has them from.
    passes_on: Vec<(String, Module)>,
    /// Inline modules that the visitor is inside of.
    inside: Vec<String>,
}

impl House {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let mut rooms = BTreeMap::new();
        for file in files(folder)? {
            let text = fs::read_to_string(&file).map_err(|error| failed(&file, &error))?;
            let module = module_of(file.strip_prefix(folder).unwrap_or(&file));
            let room = Room::read(module.clone(), &text).map_err(|error| failed(&file, &error))?;
            rooms.insert(module, room);
        }
        Ok(Self::of(&rooms))
    }

    fn of(rooms: &BTreeMap<Module, Room>) -> Self {
        let mut arrows = BTreeMap::new();
        for (module, room) in rooms {
            let to: BTreeSet<Module> = room
                .uses
                .iter()
                .filter_map(|path| definer(rooms, path, MAX_RE_EXPORTS))
                .filter(|to| !module.starts_with(to) && !to.starts_with(module))
                .collect();
            arrows.insert(module.clone(), to);
        }
        Self { arrows }
    }

    /// The files of a circle; none if there is no circle.
    fn circle(&self) -> Vec<String> {
        let mut left: BTreeMap<&Module, BTreeSet<&Module>> =
            self.arrows.iter().map(|(from, to)| (from, to.iter().collect())).collect();
        loop {
            let here: BTreeSet<&Module> = left.keys().copied().collect();
            let used: BTreeSet<&Module> = left.values().flatten().copied().collect();
            let before = left.len();
            left.retain(|from, to| used.contains(from) && to.iter().any(|to| here.contains(to)));
            if left.len() == before {
                return left.keys().map(|module| module.join("::")).collect();
            }
        }
    }

    /// The arrows that lead to a floor above.
    fn upward(&self, floors: &[&[&str]]) -> Vec<String> {
        let floor = |module: &Module| {
            let first = module.first()?;
            floors.iter().position(|floor| floor.contains(&first.as_str()))
        };
        let arrows = self.arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
        arrows
            .filter(|(from, to)| floor(from).zip(floor(to)).is_some_and(|(from, to)| to < from))
            .map(|(from, to)| format!("{} takes names from {}", from.join("::"), to.join("::")))
            .collect()
    }
}

/// The file that defines what a path names.
fn definer(rooms: &BTreeMap<Module, Room>, path: &[String], depth: usize) -> Option<Module> {
    let module =
        (0..=path.len()).rev().map(|end| &path[..end]).find(|at| rooms.contains_key(*at))?;
    let room = &rooms[module];
    if let Some(name) = path.get(module.len()).filter(|_| depth > 0)
        && let Some((_, from)) = room.passes_on.iter().find(|(passed, _)| passed == name)
    {
        return definer(rooms, from, depth - 1);
    }
    Some(module.to_vec())
}

impl Room {
    fn read(module: Module, text: &str) -> syn::Result<Self> {
        let file = syn::parse_file(text)?;
        let mut room = Self { module, ..Self::default() };
        if !is_test(&file.attrs) {
            room.visit_file(&file);
        }
        Ok(room)
    }

    /// A path in this file as one from the crate's root; `None` if it leads out of the crate.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let here = || [&self.module[..], &self.inside[..]].concat();
        let mut at = match first.as_str() {
            "crate" => Module::new(),
            "self" => here(),
            "super" => {
                let mut here = here();
                here.pop();
                here
            }
            _ => return None,
        };
        for step in rest {
            if step == "super" {
                at.pop();
            } else {
                at.push(step.clone());
            }
        }
        Some(at)
    }

    fn take(&mut self, tree: &UseTree, path: &mut Module, passes_on: bool) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.take(&step.tree, path, passes_on);
                path.pop();
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.take(tree, path, passes_on));
            }
            UseTree::Name(name) => self.note(path, &name.ident.to_string(), None, passes_on),
            UseTree::Rename(name) => {
                self.note(path, &name.ident.to_string(), Some(name.rename.to_string()), passes_on);
            }
            UseTree::Glob(_) => self.note(path, "*", None, false),
        }
    }

    fn note(&mut self, path: &[String], name: &str, called: Option<String>, passes_on: bool) {
        let mut path = path.to_vec();
        if name != "self" && name != "*" {
            path.push(name.to_owned());
        }
        // A child may be named without `self`, as `pub use child::Name`.
        let own = || [&self.module[..], &path[..]].concat();
        let absolute = self.absolute(&path).unwrap_or_else(own);
        if passes_on {
            self.passes_on.push((called.unwrap_or_else(|| name.to_owned()), absolute.clone()));
        }
        self.uses.push(absolute);
    }
}

impl<'f> Visit<'f> for Room {
    fn visit_item(&mut self, item: &'f Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'f ItemMod) {
        self.inside.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'f ItemUse) {
        let passes_on = !matches!(item.vis, syn::Visibility::Inherited);
        self.take(&item.tree, &mut Module::new(), passes_on);
    }

    fn visit_path(&mut self, path: &'f syn::Path) {
        let steps: Module = path.segments.iter().map(|step| step.ident.to_string()).collect();
        if let Some(absolute) = self.absolute(&steps).filter(|_| steps.len() > 1) {
            self.uses.push(absolute);
        }
        visit::visit_path(self, path);
    }
}

/// Whether an item is compiled for tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list().ok();
        let words = list.map(|list| list.tokens.to_string()).unwrap_or_default();
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && (words == "test"
                    || words.starts_with("all (test")
                    || words.starts_with("all(test"))
    })
}

/// `cache/entry/mod.rs` is the module `cache::entry`; `lib.rs` is the root.
fn module_of(file: &Path) -> Module {
    let mut module: Module = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        if path.is_dir() && !path.ends_with("tests") {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

/// A name may be passed on a few times, never in a circle.
const MAX_RE_EXPORTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn house(files: &[(&str, &str)]) -> House {
        let rooms = files.iter().map(|(path, text)| {
            let module = module_of(Path::new(path));
            (module.clone(), Room::read(module, text).expect("it is Rust"))
        });
        House::of(&rooms.collect())
    }

    #[test]
    fn a_circle_is_found_through_a_re_export_and_in_code() {
        let top = ("lib.rs", "mod a; mod b; pub use a::One;");
        let a = ("a.rs", "use crate::b::two; pub struct One; fn f() { two() }");
        let b = ("b.rs", "pub fn two() -> crate::One { crate::One }");
        assert_eq!(house(&[top, a, b]).circle(), ["a", "b"]);
        let b = ("b.rs", "pub fn two() {} #[cfg(test)] mod tests { use crate::One; }");
        assert_eq!(house(&[top, a, b]).circle(), [""; 0]);
    }

    #[test]
    fn a_module_and_what_is_inside_it_are_one() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; use self::b::Two; pub struct One;"),
            ("a/b.rs", "use super::One; pub struct Two;"),
        ];
        assert_eq!(house(&files).circle(), [""; 0]);
    }

    #[test]
    fn an_import_from_a_floor_above_is_named() {
        let files = [("up.rs", "pub struct Up;"), ("down.rs", "use crate::up::{Up as Above};")];
        let floors: &[&[&str]] = &[&["up"], &["down"]];
        assert_eq!(house(&files).upward(floors), ["down takes names from up"]);
        assert_eq!(house(&files).upward(&[&["down"], &["up"]]), [""; 0]);
    }
}
