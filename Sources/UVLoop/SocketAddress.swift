import Cuv
import Primitives

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// The C form of an `Endpoint`, for the length of a call.
enum SocketAddress {
    /// A v6 socket takes every endpoint: IPv4 travels as a mapped address (RFC 4291 §2.5.5.2). A v4 socket takes only
    /// IPv4; nil for the rest.
    static func with<Result>(
        _ endpoint: Endpoint, asIPv4: Bool, _ body: (UnsafePointer<sockaddr>) -> Result
    ) -> Result? {
        if asIPv4 {
            guard endpoint.isIPv4 else { return nil }
            var address = sockaddr_in()
            #if canImport(Darwin)
                address.sin_len = UInt8(MemoryLayout<sockaddr_in>.size)
            #endif
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = endpoint.port.bigEndian
            address.sin_addr.s_addr = UInt32(truncatingIfNeeded: endpoint.low).bigEndian
            return withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
            }
        }
        var address = sockaddr_in6()
        #if canImport(Darwin)
            address.sin6_len = UInt8(MemoryLayout<sockaddr_in6>.size)
        #endif
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = endpoint.port.bigEndian
        withUnsafeMutableBytes(of: &address.sin6_addr) { bytes in
            bytes.storeBytes(of: endpoint.high.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: endpoint.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return withUnsafePointer(to: address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body) }
    }

    /// Nil for families other than IPv4 and IPv6. `address` points to a structure of the size its family has.
    static func read(_ address: UnsafePointer<sockaddr>) -> Endpoint? {
        let raw = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            let v4 = raw.loadUnaligned(as: sockaddr_in.self)
            let word = UInt64(UInt32(bigEndian: v4.sin_addr.s_addr))
            return Endpoint(high: 0, low: 0xFFFF_0000_0000 | word, port: UInt16(bigEndian: v4.sin_port))
        case AF_INET6:
            let v6 = raw.loadUnaligned(as: sockaddr_in6.self)
            return withUnsafeBytes(of: v6.sin6_addr) { bytes in
                Endpoint(
                    high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                    low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    port: UInt16(bigEndian: v6.sin6_port))
            }
        default: return nil
        }
    }

    /// Asks a socket for its own or its peer's address, by `uv_udp_getsockname` and its kin.
    static func query(_ ask: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>) -> Int32) -> Endpoint? {
        var storage = sockaddr_storage()
        var size = Int32(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                ask(address, &size) == 0 ? read(address) : nil
            }
        }
    }
}
