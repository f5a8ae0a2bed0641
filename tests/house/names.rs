//! The names that each module of a crate has, and the files that paths lead to.

use crate::reading::{is_built, is_test};
use proc_macro2::Ident;
use std::collections::{BTreeMap, HashMap, HashSet};
use syn::visit::{self, Visit};

/// The files of one crate, and which names each of its modules has.
pub(crate) struct House {
    /// Without the root of the crate and without tests.
    pub(crate) files: Vec<String>,
    pub(crate) parsed: Vec<(usize, String, syn::File)>,
    pub(crate) modules: Vec<Module>,
}

#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    parent: usize,
    pub(crate) children: HashMap<String, usize>,
    items: HashSet<String>,
    /// More than one import has a name if they are for different builds.
    pub(crate) imports: HashMap<String, Vec<Import>>,
    globs: Vec<Vec<String>>,
}

pub(crate) struct Import {
    path: Vec<String>,
    pub(crate) is_reexport: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Module(usize),
    /// An item of this file.
    Item(String),
}

impl House {
    pub(crate) fn new(sources: &BTreeMap<String, String>) -> Self {
        let mut house = Self {
            files: Vec::new(),
            parsed: Vec::new(),
            modules: Vec::new(),
        };
        let root = Module {
            file: "lib.rs".to_owned(),
            ..Module::default()
        };
        house.modules.push(root);
        for (path, text) in sources.iter().filter(|(path, _)| !is_test(path)) {
            let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
            let module = house.module_of(path);
            house.modules[module].file = path.clone();
            if path != "lib.rs" {
                house.files.push(path.clone());
            }
            house.parsed.push((module, path.clone(), parsed));
        }
        let parsed = std::mem::take(&mut house.parsed);
        for (module, _, file) in &parsed {
            let mut names = Names {
                house: &mut house,
                module: *module,
                depth: 0,
            };
            names.visit_file(file);
        }
        house.parsed = parsed;
        house
    }

    /// Returns the module that the file at `path` is, and makes it if it is new.
    fn module_of(&mut self, path: &str) -> usize {
        let stem = path.trim_end_matches(".rs");
        let stem = stem.strip_suffix("/mod").unwrap_or(stem);
        let names = stem.split('/').filter(|name| *name != "lib");
        names.fold(0, |module, name| self.child(module, name))
    }

    fn child(&mut self, parent: usize, name: &str) -> usize {
        if let Some(&child) = self.modules[parent].children.get(name) {
            return child;
        }
        let child = self.modules.len();
        let file = self.modules[parent].file.clone();
        self.modules.push(Module {
            file,
            parent,
            ..Module::default()
        });
        self.modules[parent].children.insert(name.to_owned(), child);
        child
    }

    /// Returns the targets of a path that stands in `module`; none if it leads to another crate.
    pub(crate) fn resolve(
        &self,
        module: usize,
        path: &[String],
        seen: &mut Seen,
    ) -> HashSet<Target> {
        let mut module = module;
        let mut rest = path;
        let mut is_anchored = false;
        while let Some(keyword) = rest.first() {
            match keyword.as_str() {
                "crate" => module = 0,
                "self" => {}
                "super" => module = self.modules[module].parent,
                _ => break,
            }
            rest = &rest[1..];
            is_anchored = true;
        }
        let found = self.walk(module, rest, seen);
        if found.is_empty() && is_anchored {
            // A macro defines the item.
            return HashSet::from([Target::Item(self.modules[module].file.clone())]);
        }
        found
    }

    fn walk(&self, module: usize, path: &[String], seen: &mut Seen) -> HashSet<Target> {
        let Some((name, rest)) = path.split_first() else {
            return HashSet::from([Target::Module(module)]);
        };
        let mut found = HashSet::new();
        for target in self.look_up(module, name, seen) {
            match target {
                Target::Module(inner) if !rest.is_empty() => {
                    let inside = self.walk(inner, rest, seen);
                    if inside.is_empty() {
                        // A macro defines the item.
                        found.insert(Target::Item(self.modules[inner].file.clone()));
                    }
                    found.extend(inside);
                }
                target => {
                    found.insert(target);
                }
            }
        }
        found
    }

    fn look_up(&self, module: usize, name: &str, seen: &mut Seen) -> HashSet<Target> {
        if !seen.insert((module, name.to_owned())) {
            return HashSet::new();
        }
        let here = &self.modules[module];
        let own_file = Target::Item(here.file.clone());
        let mut found = HashSet::new();
        found.extend(here.children.get(name).map(|child| Target::Module(*child)));
        found.extend(here.items.contains(name).then(|| own_file.clone()));
        for import in here.imports.get(name).into_iter().flatten() {
            let targets = self.resolve(module, &import.path, seen);
            // A re-export of another crate's item belongs to the module that has it.
            let is_foreign = targets.is_empty() && import.is_reexport;
            found.extend(is_foreign.then(|| own_file.clone()));
            found.extend(targets);
        }
        if found.is_empty() {
            for glob in &here.globs {
                for target in self.resolve(module, glob, seen) {
                    if let Target::Module(inner) = target {
                        found.extend(self.look_up(inner, name, seen));
                    }
                }
            }
        }
        seen.remove(&(module, name.to_owned()));
        found
    }
}

pub(crate) type Seen = HashSet<(usize, String)>;

/// Collects the names that the modules of a file have.
struct Names<'a> {
    house: &'a mut House,
    module: usize,
    /// The number of blocks around; their items cannot be named from elsewhere.
    depth: usize,
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_built(attributes_of(item)) {
            return;
        }
        let name = match item {
            syn::Item::Fn(item) => Some(&item.sig.ident),
            syn::Item::Struct(item) => Some(&item.ident),
            syn::Item::Enum(item) => Some(&item.ident),
            syn::Item::Union(item) => Some(&item.ident),
            syn::Item::Trait(item) => Some(&item.ident),
            syn::Item::Type(item) => Some(&item.ident),
            syn::Item::Const(item) => Some(&item.ident),
            syn::Item::Static(item) => Some(&item.ident),
            syn::Item::Macro(item) => item.ident.as_ref(),
            _ => None,
        };
        if let (Some(name), 0) = (name, self.depth) {
            self.house.modules[self.module]
                .items
                .insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let around = self.module;
        if let Some(path) = given_path(item) {
            let child = self.house.module_of(&path);
            self.house.modules[around]
                .children
                .insert(item.ident.to_string(), child);
        } else if item.content.is_some() {
            self.module = self.house.child(around, &item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module = around;
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_reexport = !matches!(item.vis, syn::Visibility::Inherited);
        let module = &mut self.house.modules[self.module];
        for leaf in leaves(&item.tree) {
            match leaf.name {
                Some(name) => {
                    let import = Import {
                        path: leaf.path,
                        is_reexport,
                    };
                    module.imports.entry(name).or_default().push(import);
                }
                None => module.globs.push(leaf.path),
            }
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.depth += 1;
        visit::visit_block(self, block);
        self.depth -= 1;
    }
}

/// Returns the path in the attribute `#[path = "…"]`, which is supported in the root of the crate.
fn given_path(item: &syn::ItemMod) -> Option<String> {
    let attribute = item
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let syn::Expr::Lit(syn::ExprLit {
        lit: syn::Lit::Str(path),
        ..
    }) = &pair.value
    else {
        return None;
    };
    Some(path.value())
}

pub(crate) fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// One name of a `use`; a glob has none.
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) line: usize,
}

pub(crate) fn leaves(tree: &syn::UseTree) -> Vec<Leaf> {
    let line_of = |ident: &Ident| ident.span().start().line;
    match tree {
        syn::UseTree::Path(path) => {
            let mut inner = leaves(&path.tree);
            for leaf in &mut inner {
                leaf.path.insert(0, path.ident.to_string());
                leaf.line = leaf.line.max(line_of(&path.ident));
                // `use crate::queue::{self}` is called by the name of the module.
                if leaf.path.last().is_some_and(|last| last == "self") && leaf.path.len() > 1 {
                    leaf.path.pop();
                    if leaf.name.as_deref() == Some("self") {
                        leaf.name = leaf.path.last().cloned();
                    }
                }
            }
            inner
        }
        syn::UseTree::Name(name) => {
            let text = name.ident.to_string();
            vec![Leaf {
                path: vec![text.clone()],
                name: Some(text),
                line: line_of(&name.ident),
            }]
        }
        syn::UseTree::Rename(rename) => vec![Leaf {
            path: vec![rename.ident.to_string()],
            name: Some(rename.rename.to_string()),
            line: line_of(&rename.ident),
        }],
        syn::UseTree::Glob(_) => vec![Leaf {
            path: Vec::new(),
            name: None,
            line: 0,
        }],
        syn::UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}
