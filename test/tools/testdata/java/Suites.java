import java.nio.ByteBuffer;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;

/**
 * Tries cipher settings without a network. Without arguments it prints the names of all cipher
 * suites that the JVM supports. Each argument is protocols|suites, both separated by commas, as they
 * stand in Flink's security.ssl.protocol and security.ssl.algorithms; a server with them, with the
 * JVM's default key store, is called by a client with them and by one with the JVM's own settings.
 * Prints a line for each argument:
 *
 *   OK argument suite
 *   FAIL argument exception class: message
 */
public final class Suites {
    public static void main(String[] settings) throws Exception {
        SSLContext context = SSLContext.getDefault();
        if (settings.length == 0) {
            for (String suite : context.getSupportedSSLParameters().getCipherSuites()) {
                System.out.println(suite);
            }
            return;
        }
        for (String setting : settings) {
            String result;
            try {
                String suite = shake(configured(context, setting, true), configured(context, setting, false));
                shake(context.createSSLEngine(), configured(context, setting, false));
                result = "OK " + setting + " " + suite;
            } catch (Exception e) {
                result = "FAIL " + setting + " " + Settings.describe(e);
            }
            System.out.println(result);
        }
    }

    /** An engine with the settings, split as Flink splits them. */
    private static SSLEngine configured(SSLContext context, String setting, boolean client) {
        String[] parts = setting.split("\\|", 2);
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(client);
        engine.setEnabledProtocols(parts[0].split(","));
        engine.setEnabledCipherSuites(parts[1].split(","));
        return engine;
    }

    /** Lets the two talk until both have finished, and returns the suite. */
    private static String shake(SSLEngine client, SSLEngine server) throws Exception {
        client.setUseClientMode(true);
        server.setUseClientMode(false);
        ByteBuffer toServer = ByteBuffer.allocate(1 << 17);
        ByteBuffer toClient = ByteBuffer.allocate(1 << 17);
        client.beginHandshake();
        server.beginHandshake();
        for (int round = 0; round < 100; round++) {
            step(client, toClient, toServer);
            step(server, toServer, toClient);
            if (idle(client) && idle(server) && toServer.position() == 0 && toClient.position() == 0) {
                return server.getSession().getCipherSuite();
            }
        }
        throw new IllegalStateException("the handshake does not end");
    }

    private static boolean idle(SSLEngine engine) {
        return engine.getHandshakeStatus() == HandshakeStatus.NOT_HANDSHAKING;
    }

    /** Reads what there is, works, and writes what there is to say. */
    private static void step(SSLEngine engine, ByteBuffer in, ByteBuffer out) throws Exception {
        ByteBuffer plain = ByteBuffer.allocate(1 << 15);
        in.flip();
        boolean moved = true;
        while (moved) {
            work(engine);
            plain.clear();
            int before = in.position() - out.position();
            if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
                engine.wrap(ByteBuffer.allocate(0), out);
            } else if (in.hasRemaining()) {
                SSLEngineResult result = engine.unwrap(in, plain);
                if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
                    throw new IllegalStateException("the other side has closed");
                }
            }
            moved = in.position() - out.position() != before;
        }
        in.compact();
    }

    private static void work(SSLEngine engine) {
        for (Runnable task = engine.getDelegatedTask(); task != null; task = engine.getDelegatedTask()) {
            task.run();
        }
    }
}
