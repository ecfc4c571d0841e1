//! Lays out the core's memory: a small stack and the data on the first page, then the bytes that
//! cross the border (`border.rs`).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        for argument in ["-zstack-size=16384", "--stack-first", "--initial-memory=327680"] {
            println!("cargo::rustc-link-arg-cdylib={argument}");
        }
    }
}
