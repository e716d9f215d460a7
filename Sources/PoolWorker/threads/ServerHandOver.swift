import Engine
import Pooling

/// A server on its way from one thread to another; the parameters are told by value, as
/// each thread has its own `ParameterSets`.
final class ServerHandOver {
    let server: Server
    let parameters: ParameterValues
    let connector: Connector?

    init(server: Server, parameters: ParameterValues, connector: Connector?) {
        self.server = server
        self.parameters = parameters
        self.connector = connector
    }
}
