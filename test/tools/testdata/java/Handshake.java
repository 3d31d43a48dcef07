import java.io.EOFException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;

/**
 * Connects to each argument, host:port[,name], with the JVM's default SSLContext, so with the
 * javax.net.ssl.* system properties, and checks that the certificate is for name (default: host),
 * unless test.endpointIdentification is false. Prints a line for each:
 *
 *   OK target protocol cipher subject
 *   FAIL target exception class: message
 *
 * and exits 1 if one failed. It sends an HTTP request and waits for an answer: with TLS 1.3 a
 * client learns only then that the server did not like its certificate.
 */
public final class Handshake {
    private static final int TIMEOUT = 30_000; // milliseconds

    public static void main(String[] targets) {
        boolean failed = false;
        for (String target : targets) {
            String result;
            try {
                result = "OK " + target + " " + handshake(target);
            } catch (Exception e) {
                result = "FAIL " + target + " " + Settings.describe(e);
                failed = true;
            }
            System.out.println(result);
        }
        System.exit(failed ? 1 : 0);
    }

    private static String handshake(String target) throws Exception {
        String[] addressAndName = target.split(",", 2);
        int colon = addressAndName[0].lastIndexOf(':');
        String host = addressAndName[0].substring(0, colon);
        int port = Integer.parseInt(addressAndName[0].substring(colon + 1));
        String name = addressAndName.length > 1 ? addressAndName[1] : host;

        SSLContext context = SSLContext.getDefault();
        try (Socket plain = new Socket()) {
            plain.connect(new InetSocketAddress(host, port), TIMEOUT);
            plain.setSoTimeout(TIMEOUT);
            SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, name, port, true);
            SSLParameters parameters = socket.getSSLParameters();
            if (!"false".equals(System.getProperty("test.endpointIdentification"))) {
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
            }
            Settings.apply(parameters);
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            exchange(socket, name);
            SSLSession session = socket.getSession();
            X509Certificate leaf = (X509Certificate) session.getPeerCertificates()[0];
            return session.getProtocol() + " " + session.getCipherSuite() + " "
                    + leaf.getSubjectX500Principal().getName();
        }
    }

    private static void exchange(SSLSocket socket, String name) throws Exception {
        String request = "GET / HTTP/1.0\r\nHost: " + name + "\r\n\r\n";
        socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().flush();
        if (socket.getInputStream().read() < 0) {
            throw new EOFException("the server closed the connection without an answer");
        }
    }
}
