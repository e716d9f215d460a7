// swift-tools-version: 6.2
// Fuzzers of the pure parts: libFuzzer with the address sanitizer over the package's own
// sources (linked into Sources/). README.md says how they are run.
import PackageDescription

let core: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .strictMemorySafety(), .enableExperimentalFeature("Lifetimes"),
    .unsafeFlags(["-sanitize=fuzzer,address"]),
]
let fuzzer: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .unsafeFlags(["-sanitize=fuzzer,address", "-parse-as-library"]),
]
let linked: [LinkerSetting] = [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]

let package = Package(
    name: "fuzz",
    targets: [
        .target(name: "FixedStorage", swiftSettings: core),
        .target(name: "Wire", dependencies: ["FixedStorage"], swiftSettings: core),
        .target(name: "Pooling", dependencies: ["Wire", "FixedStorage"], swiftSettings: core),
        .target(name: "CFuzzer"),
        .executableTarget(
            name: "fuzz-startup", dependencies: ["CFuzzer", "Wire"], swiftSettings: fuzzer,
            linkerSettings: linked),
        .executableTarget(
            name: "fuzz-frames", dependencies: ["CFuzzer", "Pooling", "Wire", "FixedStorage"],
            swiftSettings: fuzzer,
            linkerSettings: linked),
        .executableTarget(
            name: "fuzz-errors", dependencies: ["CFuzzer", "Wire"], swiftSettings: fuzzer,
            linkerSettings: linked),
    ])
