import CSys

/// A counter that any thread may change.
@safe
final class SharedCounter: @unchecked Sendable {
    private let cell = UnsafeMutablePointer<Int32>.allocate(capacity: 1)

    init() { unsafe cell.initialize(to: 0) }

    deinit { unsafe cell.deallocate() }

    var value: Int32 {
        get { unsafe csys_atomic_load(cell) }
        set { unsafe csys_atomic_store(cell, newValue) }
    }

    @discardableResult
    func add(_ delta: Int32) -> Int32 { unsafe csys_atomic_add(cell, delta) }
}
