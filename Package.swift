// swift-tools-version: 6.2
import PackageDescription

// One set of rules for every target of ours; dependencies keep their own.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A target under Sources/, with its tests under Tests/ declared next to it.
func core(_ name: String, _ dependencies: [Target.Dependency] = [], testData: [String] = []) -> [Target] {
    [
        .target(name: name, dependencies: dependencies, swiftSettings: strict),
        .testTarget(
            name: "\(name)Tests",
            dependencies: [.target(name: name)] + dependencies,
            exclude: testData,
            swiftSettings: strict),
    ]
}

let package = Package(
    name: "MeshNode",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "meshnode", targets: ["MeshNode"]),
        .executable(name: "meshproof", targets: ["MeshProof"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", .upToNextMinor(from: "1.8.2")),
        .package(url: "https://github.com/apple/swift-collections", .upToNextMinor(from: "1.6.0")),
        .package(url: "https://github.com/apple/swift-crypto", .upToNextMinor(from: "4.5.2")),
        .package(url: "https://github.com/apple/swift-http-types", .upToNextMinor(from: "1.8.0")),
        .package(url: "https://github.com/apple/swift-log", .upToNextMinor(from: "1.16.2")),
        .package(url: "https://github.com/apple/swift-nio", .upToNextMinor(from: "2.101.2")),
        .package(url: "https://github.com/apple/swift-nio-extras", .upToNextMinor(from: "1.35.2")),
        .package(url: "https://github.com/apple/swift-nio-ssl", .upToNextMinor(from: "2.37.6")),
        .package(url: "https://github.com/hummingbird-project/hummingbird", .upToNextMinor(from: "2.28.1")),
        .package(url: "https://github.com/jpsim/Yams", .upToNextMinor(from: "6.2.2")),
        .package(url: "https://github.com/swift-server/async-http-client", .upToNextMinor(from: "1.37.0")),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", .upToNextMinor(from: "2.13.0")),
        .package(url: "https://github.com/vapor/jwt-kit", .upToNextMinor(from: "5.7.1")),
    ],
    targets: [
        .systemLibrary(
            name: "Csodium", pkgConfig: "libsodium",
            providers: [.apt(["libsodium-dev"]), .brew(["libsodium"])]),
        .systemLibrary(
            name: "Cuv", pkgConfig: "libuv",
            providers: [.apt(["libuv1-dev"]), .brew(["libuv"])]),
    ]
        + core("Primitives")
        + core("Gossip", ["Primitives"])
        + core("Raft", ["Primitives"])
        + core("Authority", ["Primitives", .product(name: "HashTreeCollections", package: "swift-collections")])
        + core("Routing", ["Primitives"])
        + core("SecureChannel", ["Primitives", "Csodium"])
        + core("NodeCore", ["Primitives", "Gossip", "Raft", "Authority", "Routing", "SecureChannel"])
        + core("UVLoop", ["Primitives", "Cuv"])
        + core(
            "Simulator",
            ["Primitives", "Gossip", "Raft", "Authority", "Routing", "SecureChannel", "NodeCore"],
            testData: ["Histories"])
        + [
            .target(name: "ChildProcesses", swiftSettings: strict),
            // The proofs alone: builds without the product's dependencies.
            .executableTarget(
                name: "MeshProof", dependencies: ["Primitives", "Simulator", "ChildProcesses"], swiftSettings: strict),
            .executableTarget(
                name: "MeshNode",
                dependencies: meshNodeDependencies,
                resources: [.copy("UI/Files"), .copy("Demo/Model"), .copy("Report/Page")],
                swiftSettings: strict),
            .testTarget(
                name: "MeshNodeTests",
                dependencies: ["MeshNode"] + meshNodeDependencies,
                swiftSettings: strict),
        ]
)

var meshNodeDependencies: [Target.Dependency] {
    [
        "Primitives", "Gossip", "Raft", "Authority", "Routing", "SecureChannel", "NodeCore",
        "UVLoop", "ChildProcesses", "Simulator", "Csodium",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "JWTKit", package: "jwt-kit"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "Yams", package: "Yams"),
    ]
}
