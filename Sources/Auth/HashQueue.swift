/// The hash jobs that wait or are under way, fair by owner: owners take turns of a few
/// milliseconds each, so a short job of one overtakes a long one of another, and however many
/// jobs an owner has, the others wait for one turn of it. The jobs of one owner are done in
/// the order they came.
public struct HashQueue<Owner: Hashable & Sendable>: Sendable {
    /// Names a job; the caller's choice, and in use once at a time.
    public typealias ID = UInt64

    private struct Entry: Sendable {
        let run: HashRun
        let owner: Owner
    }

    private struct Line: Sendable {
        /// Dropped ones may be among them, never as the first.
        var ids: [ID] = []
        var first = 0
        /// Those that were not dropped.
        var count = 0
    }

    private var entries: [ID: Entry] = [:]
    private var lines: [Owner: Line] = [:]
    /// Owners in the order of their turns; each that has a line is in it once.
    private var turns: [Owner] = []
    private var nextTurn = 0

    public init() {}

    public var isEmpty: Bool { entries.isEmpty }
    /// Jobs.
    public var count: Int { entries.count }

    public mutating func add(_ job: HashJob, id: ID, owner: Owner) {
        entries[id] = Entry(run: HashRun(job), owner: owner)
        if lines[owner] == nil { turns.append(owner) }
        lines[owner, default: Line()].ids.append(id)
        lines[owner]?.count += 1
    }

    /// Who wanted the job has gone; nothing happens where there is none of that name.
    public mutating func drop(_ id: ID) { _ = finish(id) }

    /// Takes a job out.
    /// - Returns: false: it had been dropped.
    public mutating func finish(_ id: ID) -> Bool {
        guard let entry = entries.removeValue(forKey: id), var line = lines[entry.owner] else { return false }
        line.count -= 1
        if line.count == 0 {
            // Its owner leaves the turns when it would be next.
            lines[entry.owner] = Line()
            return true
        }
        while entries[line.ids[line.first]] == nil { line.first += 1 }
        if line.ids.count > 2 * line.count + 16 {
            line.ids = line.ids[line.first...].filter { entries[$0] != nil }
            line.first = 0
        }
        lines[entry.owner] = line
        return true
    }

    /// The job of the owner whose turn it is; nil: there is none. The run is the caller's to go
    /// on with until the next call.
    public mutating func next() -> (id: ID, run: HashRun)? {
        while !turns.isEmpty {
            if nextTurn >= turns.count { nextTurn = 0 }
            let owner = turns[nextTurn]
            guard let line = lines[owner], line.count > 0 else {
                lines[owner] = nil
                turns.remove(at: nextTurn)
                continue
            }
            nextTurn += 1
            let id = line.ids[line.first]
            guard let entry = entries[id] else { return nil }
            return (id, entry.run)
        }
        return nil
    }
}
