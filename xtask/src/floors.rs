//! `cargo xtask check floors`: which file takes names from which, and that none takes them from a
//! floor above or in a circle.
//!
//! Files are nodes. A path that begins with `crate`, `self`, `super` or an imported module, in an
//! import or in code, is an arrow to the file that defines the name; an import and a re-export are
//! followed to there, and a `#[path]` to its files. What stands inside `cfg_if!` counts. Arrows
//! between a module and the modules inside it do not count, and neither do tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::parse::ParseStream;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Item, ItemMod, ItemUse, Stmt, Token, UseTree};
use tokenkeep_test_support::workspace_root;

use crate::stage::Failure;

/// The crates, and of each its modules from the top floor down. Modules of one floor may take names
/// from each other.
const CRATES: &[(&str, &[&[&str]])] = &[
    (
        "src",
        &[
            &["sign_in"],
            &["persisted"],
            &["persistence"],
            &["silent", "envelope"],
            &["seal", "cache"],
            &["lock", "interaction", "interrupt"],
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
            &[
                "sync",
                "text",
                "user",
                "clock",
                "random",
                "signal",
                "wipe",
                "loopback",
                "browser",
                "terminal",
                "interrupt",
                "os_code",
            ],
        ],
    ),
    (
        "cli/src",
        &[
            &["command"],
            &["provider"],
            &["interrupt", "open", "key"],
            &["input", "output"],
            &["failure"],
            &["args"],
            &["descriptor"],
        ],
    ),
    ("test-support/src", &[]),
    ("web/src", &[]),
    ("python/src", &[]),
    ("xtask/src", &[]),
];

/// A module's path, such as `["cache", "entry"]`; the crate's root has none.
type Module = Vec<String>;

pub(crate) fn check() -> Result<(), Failure> {
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for (folder, floors) in CRATES {
        let house = House::read(&workspace_root().join(folder))?;
        wrong.extend(house.unlisted(floors).into_iter().map(|module| {
            format!("{folder}: the module {module} is on no floor, or a floor has no such module")
        }));
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
    /// Names that it has from elsewhere, and from where.
    imports: Vec<(String, Module)>,
    /// Modules that are in a file of another name, and that file.
    elsewhere: Vec<(Module, Module)>,
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
                .flat_map(|path| definers(rooms, path, MAX_IMPORTS))
                .filter(|to| !module.starts_with(to) && !to.starts_with(module))
                .collect();
            arrows.insert(module.clone(), to);
        }
        Self { arrows }
    }

    /// The top modules that no floor lists, and the listed ones that are not there.
    fn unlisted(&self, floors: &[&[&str]]) -> Vec<String> {
        if floors.is_empty() {
            return Vec::new();
        }
        let there: BTreeSet<&str> =
            self.arrows.keys().filter_map(|module| module.first().map(String::as_str)).collect();
        let listed: BTreeSet<&str> =
            floors.iter().flat_map(|floor| floor.iter().copied()).collect();
        there.symmetric_difference(&listed).map(|module| (*module).to_owned()).collect()
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

/// The files that define what a path names: several where each system has its own.
fn definers(rooms: &BTreeMap<Module, Room>, path: &[String], depth: usize) -> Vec<Module> {
    if depth == 0 {
        return Vec::new();
    }
    let elsewhere: Vec<Module> = rooms
        .values()
        .flat_map(|room| &room.elsewhere)
        .filter(|(declared, _)| path.starts_with(declared))
        .map(|(declared, file)| [&file[..], &path[declared.len()..]].concat())
        .collect();
    if !elsewhere.is_empty() {
        return elsewhere.iter().flat_map(|path| definers(rooms, path, depth - 1)).collect();
    }
    let prefixes = (0..=path.len()).rev().map(|end| &path[..end]);
    let Some(module) = prefixes.into_iter().find(|at| rooms.contains_key(*at)) else {
        return Vec::new();
    };
    let (rest, room) = (&path[module.len()..], &rooms[module]);
    let Some((name, rest)) = rest.split_first() else { return vec![module.to_vec()] };
    let imported = room.imports.iter().filter(|(called, _)| called == name);
    let found: Vec<Module> = imported
        .flat_map(|(_, from)| definers(rooms, &[&from[..], rest].concat(), depth - 1))
        .collect();
    if found.is_empty() { vec![module.to_vec()] } else { found }
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

    fn take(&mut self, tree: &UseTree, path: &mut Module) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.take(&step.tree, path);
                path.pop();
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.take(tree, path));
            }
            UseTree::Name(name) => self.note(path, &name.ident.to_string(), None),
            UseTree::Rename(name) => {
                self.note(path, &name.ident.to_string(), Some(name.rename.to_string()));
            }
            UseTree::Glob(_) => self.note(path, "*", None),
        }
    }

    fn note(&mut self, path: &[String], name: &str, called: Option<String>) {
        let mut path = path.to_vec();
        if name != "self" && name != "*" {
            path.push(name.to_owned());
        }
        // A child may be named without `self`, as `pub use child::Name`.
        let own = || [&self.module[..], &path[..]].concat();
        let absolute = self.absolute(&path).unwrap_or_else(own);
        if name != "*" {
            let last = path.last().cloned().unwrap_or_default();
            self.imports.push((called.unwrap_or(last), absolute.clone()));
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
        if let Some(file) = path_of(&module.attrs) {
            let declared = [&self.module[..], &[module.ident.to_string()]].concat();
            let file = [&self.module[..], &module_of(Path::new(&file))].concat();
            self.elsewhere.push((declared, file));
        }
        self.inside.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'f ItemUse) {
        self.take(&item.tree, &mut Module::new());
    }

    fn visit_path(&mut self, path: &'f syn::Path) {
        let steps: Module = path.segments.iter().map(|step| step.ident.to_string()).collect();
        if steps.len() > 1 {
            let imported = self.imports.iter().find(|(called, _)| *called == steps[0]);
            let through = imported.map(|(_, from)| [&from[..], &steps[1..]].concat());
            self.uses.extend(self.absolute(&steps).or(through));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invoked: &'f syn::Macro) {
        if invoked.path.segments.last().is_some_and(|name| name.ident == "cfg_if")
            && let Ok(statements) = invoked.parse_body_with(branches)
        {
            // Parsed for this visit alone, so the visitor of these cannot borrow for `'f`.
            let mut room = Room {
                module: self.module.clone(),
                inside: self.inside.clone(),
                imports: std::mem::take(&mut self.imports),
                ..Room::default()
            };
            statements.iter().for_each(|statement| room.visit_stmt(statement));
            self.imports = room.imports;
            self.uses.extend(room.uses);
            self.elsewhere.extend(room.elsewhere);
        }
        visit::visit_macro(self, invoked);
    }
}

/// The statements and items of all branches of a `cfg_if!`.
fn branches(input: ParseStream<'_>) -> syn::Result<Vec<Stmt>> {
    let mut statements = Vec::new();
    while !input.is_empty() {
        if input.peek(Token![else]) {
            input.parse::<Token![else]>()?;
        }
        if input.peek(Token![if]) {
            input.parse::<Token![if]>()?;
            input.call(Attribute::parse_outer)?;
        }
        let body;
        syn::braced!(body in input);
        statements.extend(body.call(Block::parse_within)?);
    }
    Ok(statements)
}

/// What a `#[path = "…"]` says.
fn path_of(attributes: &[Attribute]) -> Option<String> {
    let path = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    match &path.meta.require_name_value().ok()?.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(file), .. }) => Some(file.value()),
        _ => None,
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

/// A name may be imported a few times on its way, never in a circle.
const MAX_IMPORTS: usize = 8;

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
    fn what_a_macro_a_private_import_or_another_file_name_hides_is_seen() {
        let in_macro = [
            ("a.rs", "fn f() { cfg_if::cfg_if! { if #[cfg(unix)] { super::b::g() } else { } } }"),
            ("b.rs", "pub fn g() { crate::a::f() }"),
        ];
        assert_eq!(house(&in_macro).circle(), ["a", "b"]);
        let by_path = [
            ("f/mod.rs", "cfg_if! { if #[cfg(unix)] { #[path = \"unix.rs\"] mod os; } } mod open;"),
            ("f/unix.rs", "use super::open::Open;"),
            ("f/open.rs", "use super::os::Stamp;"),
        ];
        assert_eq!(house(&by_path).circle(), ["f::open", "f::unix"]);
        let by_parent = [
            ("p/mod.rs", "mod a; mod b; use self::a::One;"),
            ("p/a.rs", "use super::b::Two;"),
            ("p/b.rs", "use super::One;"),
        ];
        assert_eq!(house(&by_parent).circle(), ["p::a", "p::b"]);
        let by_module =
            [("a.rs", "use crate::b; fn f() { b::c::g() }"), ("b/c.rs", "use crate::a;")];
        assert_eq!(house(&by_module).circle(), ["a", "b::c"]);
    }

    #[test]
    fn a_module_that_no_floor_lists_is_named() {
        let floors: &[&[&str]] = &[&["up"], &["gone"]];
        assert_eq!(house(&[("up.rs", ""), ("new.rs", "")]).unlisted(floors), ["gone", "new"]);
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
