//! Lays out the core's memory: a small stack first, so that one that grew too far would not
//! overwrite data.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        for argument in ["-zstack-size=16384", "--stack-first"] {
            println!("cargo::rustc-link-arg-cdylib={argument}");
        }
    }
}
