//! The imports of each file.

use crate::graph::Arrows;
use crate::names::{House, Seen, Target, attributes_of, leaves};
use crate::reading::is_built;
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

impl House {
    /// Returns the imports between the files of the crate.
    pub(crate) fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (module, path, file) in &self.parsed {
            if path != "lib.rs" {
                let mut paths = Paths {
                    house: self,
                    module: *module,
                    file: path,
                    arrows: &mut arrows,
                };
                paths.visit_file(file);
            }
        }
        arrows
    }
}

/// Follows the paths of a file.
struct Paths<'a> {
    house: &'a House,
    module: usize,
    file: &'a str,
    arrows: &'a mut Arrows,
}

impl Paths<'_> {
    fn follow(&mut self, path: &[String], line: usize) {
        for target in self.house.resolve(self.module, path, &mut Seen::new()) {
            let to = match target {
                Target::Module(module) => self.house.modules[module].file.clone(),
                Target::Item(file) => file,
            };
            if to != self.file && to != "lib.rs" {
                let imports = self.arrows.entry((self.file.to_owned(), to)).or_default();
                let import = format!("{}:{line}: {}", self.file, path.join("::"));
                if !imports.contains(&import) {
                    imports.push(import);
                }
            }
        }
    }

    /// Follows a path in code. An item that a private `use` imports has its arrow from there, so
    /// that here only paths through modules and through re-exports add arrows.
    fn follow_in_code(&mut self, path: &[String], line: usize) {
        let module = &self.house.modules[self.module];
        let is_reexported = module
            .imports
            .get(&path[0])
            .is_some_and(|imports| imports.iter().any(|import| import.is_reexport));
        let first = || {
            self.house
                .resolve(self.module, &path[..1], &mut Seen::new())
        };
        let leads_on =
            || path.len() > 1 && first().iter().any(|it| matches!(it, Target::Module(_)));
        if is_reexported || leads_on() {
            self.follow(path, line);
        }
    }

    /// Returns `true` if a path begins at a child of the module.
    fn is_of_child(&self, path: &[String]) -> bool {
        let mut names = path.iter().skip_while(|name| *name == "self");
        let children = &self.house.modules[self.module].children;
        names.next().is_some_and(|name| children.contains_key(name))
    }

    /// Follows the paths in the arguments or the rules of a macro.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 || path.is_empty() {
                        self.end(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.end(&mut path, line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.scan(group.stream());
                    }
                }
            }
        }
        self.end(&mut path, line);
    }

    fn end(&mut self, path: &mut Vec<String>, line: usize) {
        if !path.is_empty() {
            self.follow_in_code(path, line);
            path.clear();
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_built(attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            let around = self.module;
            self.module = self.house.modules[around].children[&item.ident.to_string()];
            visit::visit_item_mod(self, item);
            self.module = around;
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_private = matches!(item.vis, syn::Visibility::Inherited);
        for leaf in leaves(&item.tree) {
            if is_private || !self.is_of_child(&leaf.path) {
                self.follow(&leaf.path, leaf.line);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let names: Vec<_> = path
                .segments
                .iter()
                .map(|part| part.ident.to_string())
                .collect();
            self.follow_in_code(&names, path.segments[0].ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.scan(call.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}
