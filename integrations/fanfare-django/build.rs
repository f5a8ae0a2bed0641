//! Cargo allows `links` in a manifest only beside a build script. Nothing is linked: `links` has
//! cargo refuse two versions of this crate in one program. See "Two versions in one program" in
//! `docs/guarantees.md` of fanfare.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
