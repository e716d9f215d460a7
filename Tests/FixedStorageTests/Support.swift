@testable import FixedStorage

/// The kind of the tests' indices.
enum Row {}

/// The indices of a list from its first to its last, read by the links forward; nil where
/// the links backward don't tell the same.
func contents(_ list: IndexList<Row>, _ links: borrowing Links<Row>) -> [Index<Row>]? {
    var forward: [Index<Row>] = []
    var index = list.first
    while index != .absent, forward.count <= list.count {
        forward.append(index)
        index = links[index].next
    }
    var backward: [Index<Row>] = []
    index = list.last
    while index != .absent, backward.count <= list.count {
        backward.append(index)
        index = links[index].previous
    }
    return forward == backward.reversed() && forward.count == list.count ? forward : nil
}
