import Pooling
import Wire

/// What clients are told of their sessions' parameters where servers have no agents: what a server of
/// their pool has said, with the client's own parameters laid over.
extension Directory {
    /// Whether a login should ask the server of a pool that was a standby whether it is one still. With
    /// the answer to a query it says so, but never without being asked; and clients that look for a
    /// primary would ask nothing. So once a second a login does, if a server is idle or may be opened.
    func asksStandby(_ record: PoolRecord, hasIdle: Bool, _ now: UInt64) -> Bool {
        locked {
            guard now &- record.heard >= 1_000_000_000, record.isStandby else { return false }
            let limit = Int(record.settings.pool_size)
            guard hasIdle || limit == 0 || record.servers < limit else { return false }
            record.asksStandby(now)
            return true
        }
    }

    /// What clients get who want these parameters. Returns nil if a server has to be asked.
    func welcome(_ wanted: ParameterValues, _ record: PoolRecord) -> PoolRecord.Welcome? {
        locked {
            if let welcome = record.welcomes[wanted] { return welcome }
            guard let known = record.welcome,
                let values = record.resolved[wanted] ?? plainly(wanted, over: baseValues(known))
            else { return nil }
            let welcome = PoolRecord.Welcome(values: values, messages: told(known, values))
            // Names of applications are many.
            if record.welcomes.count >= 100 { record.forgetWelcomes() }
            if mayRemember(wanted.size + values.size + welcome.messages.count) {
                record.keep(welcome, for: wanted)
            }
            return welcome
        }
    }

    /// A server has taken the parameters that a client wants.
    /// - Parameter have: the server's, in its spelling.
    func resolve(
        _ wanted: ParameterValues, have: ParameterValues, _ record: PoolRecord
    ) -> PoolRecord.Welcome {
        locked {
            let known = record.welcome ?? []
            var values = baseValues(known)
            for index in values.indices where wanted[index] != nil { values[index] = have[index] }
            // Names of applications are many; spellings of the rest are few.
            if record.resolved.count < 1000, mayRemember(wanted.size + values.size) {
                record.keep(values, for: wanted)
            }
            return PoolRecord.Welcome(values: values, messages: told(known, values))
        }
    }

    /// What an agent has answered for clients whose sessions start like this, see `AgentStart.key`.
    /// Returns nil if one has to be asked.
    func answer(_ key: [UInt8], _ record: PoolRecord) -> PoolRecord.Answer? {
        locked { record.answers[key] }
    }

    /// The values of a pool's servers before any client changed them.
    private func baseValues(_ welcome: [PoolRecord.Parameter]) -> ParameterValues {
        var values = ParameterSets.noValues
        for (name, value) in welcome {
            if let index = TrackedParameter.index(name) { values[index] = value }
        }
        return values
    }

    /// The values with the wanted ones laid over. Returns nil if a server has to be asked.
    private func plainly(_ wanted: ParameterValues, over base: ParameterValues) -> ParameterValues? {
        var values = base
        for (index, value) in wanted.enumerated() {
            guard let value, value != base[index] else { continue }
            guard TrackedParameter.isPlain(index) else { return nil }
            values[index] = value
        }
        return values
    }

    /// What a client is told whose session has these values: all that a server has reported.
    private func told(_ welcome: [PoolRecord.Parameter], _ values: ParameterValues) -> [UInt8] {
        parameterMessages(
            welcome.map { name, value in
                (name: name, value: TrackedParameter.index(name).flatMap { values[$0] } ?? value)
            })
    }
}

extension ParameterValues {
    /// Bytes of all values.
    fileprivate var size: Int { reduce(0) { $0 + ($1?.count ?? 0) } }
}

/// ParameterStatus messages.
func parameterMessages(_ parameters: [PoolRecord.Parameter]) -> [UInt8] {
    var writer = FrameWriter()
    for (name, value) in parameters { writer.parameterStatus(name, value) }
    return writer.bytes
}
