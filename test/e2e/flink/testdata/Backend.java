import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Base64;
import java.util.concurrent.Callable;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A stand-in for the backend and the UI of Event Processing, whose images are not public. It is started as the
 * backend's container is documented to be: JAVA_TOOL_OPTIONS names a truststore under /opt/ibm/sp-backend/certs.
 *
 * <p>It serves two Secrets over TLS, the instance's and the UI's, and answers every request with what it got from
 * Flink's REST endpoint, verified with the truststore of spec.flink.tls, and from a database, verified with the
 * JVM's own truststore. A call that fails is answered with the exceptions' texts.
 *
 * <p>Arguments: folders of the two Secrets; Flink's endpoint, its truststore and the password; a JDBC URL.
 */
public final class Backend {
    public static void main(String[] args) throws Exception {
        SSLContext flink = trusting(Path.of(args[3]), args[4]);
        Callable<String> page = () -> "<html><body><p>Flink: " + told(() -> ask("https://" + args[2] + "/overview", flink))
                + "</p><p>database: " + told(() -> query(args[5])) + "</p></body></html>";
        int server = serve(Path.of(args[0]), page);
        System.out.printf("backend %d%nui %d%n", server, serve(Path.of(args[1]), page));
    }

    private static int serve(Path secret, Callable<String> page) throws Exception {
        HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(serving(secret)));
        server.createContext("/", exchange -> {
            byte[] body;
            try {
                body = page.call().getBytes(StandardCharsets.UTF_8);
            } catch (Exception e) {
                throw new IOException(e);
            }
            exchange.getResponseHeaders().set("Content-Type", "text/html; charset=utf-8");
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        return server.getAddress().getPort();
    }

    /** A context that shows tls.crt with tls.key. */
    private static SSLContext serving(Path secret) throws Exception {
        Certificate[] chain = CertificateFactory.getInstance("X.509")
                .generateCertificates(new ByteArrayInputStream(Files.readAllBytes(secret.resolve("tls.crt")))).toArray(new Certificate[0]);
        byte[] der = Base64.getMimeDecoder().decode(Files.readString(secret.resolve("tls.key")).replaceAll("-----[A-Z ]+-----", ""));
        PrivateKey key = KeyFactory.getInstance(chain[0].getPublicKey().getAlgorithm()).generatePrivate(new PKCS8EncodedKeySpec(der));
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("server", key, new char[0], chain);
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context;
    }

    private static SSLContext trusting(Path truststore, String password) throws Exception {
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(KeyStore.getInstance(truststore.toFile(), password.toCharArray()));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    private static String ask(String url, SSLContext context) throws Exception {
        HttpsURLConnection connection = (HttpsURLConnection) new URL(url).openConnection();
        connection.setSSLSocketFactory(context.getSocketFactory());
        try (InputStream in = connection.getInputStream()) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static String query(String url) throws Exception {
        String query = "select version(), ssl from pg_stat_ssl where pid = pg_backend_pid()";
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(query)) {
            row.next();
            return row.getString(1) + ", ssl=" + row.getString(2);
        }
    }

    private static String told(Callable<String> call) {
        try {
            return call.call();
        } catch (Exception e) {
            StringBuilder text = new StringBuilder();
            for (Throwable t = e; t != null; t = t.getCause()) {
                text.append(t).append("; ");
            }
            return text.toString().replace("<", "&lt;");
        }
    }
}
