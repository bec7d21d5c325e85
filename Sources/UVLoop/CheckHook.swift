import Cuv

/// Runs once a turn, after the sockets have been read: the place where an owner ticks its state and arms its timer.
/// It does not keep the loop alive by itself, and does not wake it.
package final class CheckHook {
    private let handle: Handle
    private let body: () -> Void

    package init(on loop: Loop, _ body: @escaping () -> Void) throws(UVError) {
        handle = try Handle(UV_CHECK, on: loop, "make a check hook") {
            uv_check_init(loop.memory, $0.assumingMemoryBound(to: uv_check_t.self))
        }
        self.body = body
        handle.owner = self
        uv_check_start(handle.pointer(as: uv_check_t.self)) { raw in
            Handle.owner(of: raw, as: CheckHook.self)?.body()
        }
        uv_unref(handle.base)
    }

    package func close() { handle.close() }
}
