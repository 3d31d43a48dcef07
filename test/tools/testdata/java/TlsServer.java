import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/**
 * An HTTPS server on 127.0.0.1 with the JVM's default SSLContext, so with the javax.net.ssl.*
 * system properties. test.clientAuth=true makes it ask for a client certificate and insist.
 * Prints "LISTENING port", then an error a line for connections that failed. It ends with its
 * standard input, so with the test that started it.
 */
public final class TlsServer {
    private static final int TIMEOUT = 30_000; // milliseconds
    private static final byte[] ANSWER =
            "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"
                    .getBytes(StandardCharsets.US_ASCII);

    public static void main(String[] args) throws Exception {
        SSLServerSocket listener;
        try {
            listener = (SSLServerSocket) SSLContext.getDefault().getServerSocketFactory().createServerSocket();
        } catch (Exception e) {
            System.out.println("FAIL " + Settings.describe(e));
            System.exit(1);
            return;
        }
        SSLParameters parameters = listener.getSSLParameters();
        parameters.setNeedClientAuth(Boolean.getBoolean("test.clientAuth"));
        Settings.apply(parameters);
        listener.setSSLParameters(parameters);
        listener.bind(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0));
        daemon(TlsServer::endWithStandardInput);
        System.out.println("LISTENING " + listener.getLocalPort());
        while (true) {
            SSLSocket socket = (SSLSocket) listener.accept();
            daemon(() -> serve(socket));
        }
    }

    private static void serve(SSLSocket socket) {
        try (socket) {
            socket.setSoTimeout(TIMEOUT);
            BufferedReader in =
                    new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII));
            for (String line = in.readLine(); line != null && !line.isEmpty(); ) {
                line = in.readLine();
            }
            socket.getOutputStream().write(ANSWER);
            socket.getOutputStream().flush();
        } catch (Exception e) {
            System.out.println("connection: " + Settings.describe(e));
        }
    }

    private static void endWithStandardInput() {
        try {
            while (System.in.read() >= 0) {
                // Nothing is read: only its end matters.
            }
        } catch (Exception e) {
            System.out.println("standard input: " + Settings.describe(e));
        }
        System.exit(0);
    }

    private static void daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }
}
