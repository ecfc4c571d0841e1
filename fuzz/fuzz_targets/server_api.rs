#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (fuzz_targets::target("server_api").expect("it is one of them").run)(bytes);
});
