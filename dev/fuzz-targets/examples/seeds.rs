//! Writes the seeds of a target that must be computed into a folder: `seeds <target> <folder>`.

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = &arguments[..] else { panic!("expected a target and a folder") };
    let target = fuzz_targets::target(name).expect("there is no such target");
    for (index, seed) in (target.made)().iter().enumerate() {
        let path = Path::new(folder).join(format!("made-{index}"));
        std::fs::write(path, seed).expect("the folder can be written");
    }
}
