// swift-tools-version: 6.2
// The build graph is the proof of the architecture: see docs/ARCHITECTURE.md.
//
// PG_CONFIG names the pg_config of the PostgreSQL to build for; where it answers, the
// extension (product pg_carpool) is part of the package, else only launcher and tests.
import Foundation
import PackageDescription

let packageFolder = Context.packageDirectory

/// What `pg_config OPTION` prints, or nil where there is none.
func pgConfig(_ option: String) -> String? {
    guard let path = Context.environment["PG_CONFIG"], FileManager.default.isExecutableFile(atPath: path)
    else { return nil }
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = [option]
    process.standardOutput = output
    guard (try? process.run()) != nil else { return nil }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return process.terminationStatus == 0 ? text.trimmingCharacters(in: .whitespacesAndNewlines) : nil
}

/// CI=true, as every forge sets it: what the compilers warn of fails the build.
let isStrict = Context.environment["CI"] == "true"

let tests: [SwiftSetting] = [.swiftLanguageMode(.v6)] + (isStrict ? [.treatAllWarnings(as: .error)] : [])
/// Swift 6 mode, every unsafe use spelled out, lifetimes for spans of tables.
let core: [SwiftSetting] = tests + [.strictMemorySafety(), .enableExperimentalFeature("Lifetimes")]
let gnu: [CSetting] =
    [.define("_GNU_SOURCE"), .unsafeFlags(["-Wall", "-Wextra", "-Wno-unused-parameter"])]
    + (isStrict ? [.treatAllWarnings(as: .error)] : [])

var products: [Product] = [.executable(name: "pgpool-launch", targets: ["pgpool-launch"])]
var targets: [Target] = [
    // protocol half: pure, no I/O
    .target(name: "FixedStorage", swiftSettings: core),
    .target(name: "Wire", dependencies: ["FixedStorage"], swiftSettings: core),
    .target(name: "CCrypto", cSettings: gnu, linkerSettings: [.linkedLibrary("crypto")]),
    .target(name: "Auth", dependencies: ["Wire", "CCrypto"], swiftSettings: core),
    .target(name: "Pooling", dependencies: ["Wire", "FixedStorage"], swiftSettings: core),
    // I/O half: knows no PostgreSQL
    .target(name: "CSys", cSettings: gnu),
    .target(name: "Engine", dependencies: ["FixedStorage", "CSys"], swiftSettings: core),
    // the joint
    .target(name: "CHost", cSettings: gnu),
    .target(name: "CLedger", cSettings: gnu),
    .target(name: "CWorker", dependencies: ["CHost", "CLedger", "CSys"], cSettings: gnu),
    .target(
        name: "PoolWorker",
        dependencies: ["Auth", "Pooling", "Wire", "FixedStorage", "Engine", "CSys", "CWorker", "CLedger"],
        swiftSettings: core),
    // hosts
    .executableTarget(
        name: "pgpool-launch",
        dependencies: [
            "PoolWorker", "CHost", "CLaunch", "LaunchConfig",
        ],
        swiftSettings: tests),
    .target(name: "CLaunch", dependencies: ["CHost", "CSys"], cSettings: gnu),
    .target(name: "LaunchConfig", dependencies: ["CHost", "CLaunch"], swiftSettings: tests),
    // tests of the pure parts
    .target(
        name: "TestSupport", dependencies: ["FixedStorage"], path: "Tests/TestSupport", swiftSettings: tests),
    .testTarget(
        name: "FixedStorageTests", dependencies: ["FixedStorage", "TestSupport"], swiftSettings: tests),
    .testTarget(
        name: "WireTests", dependencies: ["Wire", "FixedStorage", "TestSupport"], swiftSettings: tests),
    .testTarget(name: "AuthTests", dependencies: ["Auth", "Wire", "TestSupport"], swiftSettings: tests),
    .testTarget(
        name: "PoolingTests", dependencies: ["Pooling", "Wire", "FixedStorage", "TestSupport"],
        swiftSettings: tests),
    .testTarget(name: "LedgerTests", dependencies: ["CLedger"], swiftSettings: tests),
    .testTarget(
        name: "EngineTests", dependencies: ["Engine", "FixedStorage", "CSys", "CTestHost", "TestSupport"],
        swiftSettings: tests),
    // tests of the worker, with a host in memory
    .target(name: "CTestHost", dependencies: ["CHost", "CLedger"], path: "Tests/CTestHost", cSettings: gnu),
    .testTarget(
        name: "PoolWorkerTests",
        dependencies: [
            "PoolWorker", "Engine", "Pooling", "Wire", "Auth", "FixedStorage", "CSys", "CLedger", "CWorker",
            "CTestHost", "TestSupport",
        ],
        swiftSettings: tests),
    .testTarget(
        name: "LaunchConfigTests", dependencies: ["LaunchConfig", "CHost"], exclude: ["Fixtures"],
        swiftSettings: tests),
]

if let includes = pgConfig("--includedir-server") {
    products.append(.library(name: "pg_carpool", type: .dynamic, targets: ["CPGExt", "PoolWorker"]))
    targets.append(
        .target(
            name: "CPGExt", dependencies: ["CHost", "CSys", "CLedger"],
            cSettings: gnu + [
                .headerSearchPath("."),
                .unsafeFlags(["-isystem", includes, "-fno-strict-aliasing", "-fwrapv", "-Wno-sign-compare"]),
            ],
            linkerSettings: [
                .unsafeFlags([
                    "-static-stdlib", "-use-ld=lld", "-Xlinker",
                    "--version-script=\(packageFolder)/Sources/CPGExt/exports.map",
                ])
            ]))
}

let package = Package(
    name: "pg_carpool", products: products,
    targets: targets)
