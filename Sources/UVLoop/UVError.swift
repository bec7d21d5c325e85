import Cuv

/// What libuv answered, in words: "cannot listen on TCP 127.0.0.1:7946: address already in use".
package struct UVError: Error, Hashable, Sendable, CustomStringConvertible {
    /// libuv's negative code, such as `UV_EADDRINUSE`.
    package let code: Int32
    /// What was tried, with the address or name: "listen on TCP 127.0.0.1:7946".
    package let operation: String

    init(_ code: Int32, _ operation: String) {
        self.code = code
        self.operation = operation
    }

    /// Traps if `code` is not an error; call right after the function that returned it.
    static func check(_ code: Int32, _ operation: @autoclosure () -> String) throws(UVError) {
        if code < 0 { throw UVError(code, operation()) }
    }

    package var isAddressInUse: Bool { code == UV_EADDRINUSE.rawValue }
    package var isConnectionRefused: Bool { code == UV_ECONNREFUSED.rawValue }
    package var isTimeout: Bool { code == UV_ETIMEDOUT.rawValue }

    package var reason: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            // The capacity is a positive constant, hence a base address.
            String(cString: uv_strerror_r(code, buffer.baseAddress!, buffer.count))
        }
    }

    package var description: String { "cannot \(operation): \(reason)" }
}
