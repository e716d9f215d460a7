import FixedStorage

/// Tests write indices as numbers.
extension Index: ExpressibleByIntegerLiteral {
    public init(integerLiteral number: UInt32) { self.init(number) }
}
