import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLParameters;

/** What a test fixes on both ends of a connection, by system properties; the default is the JVM's. */
final class Settings {
    private Settings() {}

    /** Sets test.protocols and test.ciphers, comma separated, as Flink does with security.ssl.*. */
    static void apply(SSLParameters parameters) {
        if (System.getProperty("test.protocols") != null) {
            parameters.setProtocols(System.getProperty("test.protocols").split(","));
        }
        if (System.getProperty("test.ciphers") != null) {
            parameters.setCipherSuites(System.getProperty("test.ciphers").split(","));
        }
    }

    /** An exception and its causes on one line: class: message <- class: message. */
    static String describe(Throwable e) {
        List<String> parts = new ArrayList<>();
        for (Throwable cause = e; cause != null && parts.size() < 10; cause = cause.getCause()) {
            String message = String.valueOf(cause.getMessage()).replaceAll("\\s+", " ");
            parts.add(cause.getClass().getName() + ": " + message);
        }
        return String.join(" <- ", parts);
    }
}
