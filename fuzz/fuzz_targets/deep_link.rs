#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (fuzz_targets::target("deep_link").expect("it is one of them").run)(bytes);
});
