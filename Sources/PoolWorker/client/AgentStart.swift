import Pooling
import Wire

/// How the session of a client starts whose servers have agents: all its startup parameters are for
/// the agent, which answers with what they come to.
struct AgentStart {
    private let parameters: [StartupPacket.Parameter]
    private let answer: LoginAnswer?

    /// - Parameter ignored: ignore_startup_parameters, in lower case.
    init(_ login: ClientLoginState, ignoring ignored: Set<String>) {
        parameters = login.startup.agentParameters(ignoring: ignored)
        answer = login.answer
    }

    private var roleSettings: [UInt8] { answer?.roleSettings.bytes ?? [0] }

    /// What the agent is told.
    var packet: [UInt8] { StartupPacket.sessionPacket(roleSettings: roleSettings, parameters) }

    /// What the values that a client is told depend on. Names of applications are many, and
    /// no agent has to be asked what they come to.
    var key: [UInt8] {
        let (role, facts) = (answer?.userID ?? 0, answer?.facts ?? 0)
        let packet = StartupPacket.sessionPacket(
            roleSettings: roleSettings,
            parameters.map {
                $0.isApplicationName ? StartupPacket.Parameter(name: $0.name, value: []) : $0
            })
        return unsafe withUnsafeBytes(of: (facts, role)) { unsafe Array($0.prefix(12)) } + packet
    }

    /// What the client is told beside what is remembered: the ParameterStatus of its application's name.
    func ownMessages(maskingNames masked: Bool) -> [UInt8] {
        guard let name = parameters.last(where: { $0.isApplicationName }) else { return [] }
        let value = TrackedParameter.applicationName(name.value, masked: masked)
        return parameterMessages([(Array("application_name".utf8), value)])
    }

    /// Of what an agent has reported, the messages to be remembered for the next client with this `key`.
    /// Returns nil if nothing is: the agents look for themselves what holds for the role.
    func remembered(of reported: [PoolRecord.Parameter]) -> [UInt8]? {
        guard let answer, !answer.roleSettings.areUnknown else { return nil }
        let names = parameters.contains { $0.isApplicationName }
        return parameterMessages(names ? reported.filter { !isApplicationName($0.name) } : reported)
    }
}

private func isApplicationName(_ name: [UInt8]) -> Bool {
    TrackedParameter.index(name) == TrackedParameter.applicationName
}

extension StartupPacket.Parameter {
    fileprivate var isApplicationName: Bool { PoolWorker.isApplicationName(name) }
}
