import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import sun.security.util.HostnameChecker;

/**
 * Asks the JVM's own trust manager about chains. The argument is a file of lines
 * "id TAB server|client TAB authType,... TAB chain.pem TAB anchors.pem TAB host|-";
 * for each it prints "id TAB accept" or "id TAB reject TAB why". Accepted means
 * accepted for every authType.
 */
public class Judge {
    public static void main(String[] args) throws Exception {
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] f = line.split("\t");
            String verdict = "accept";
            try {
                judge(f);
            } catch (Exception e) {
                verdict = "reject\t" + String.valueOf(e.getMessage()).replace('\n', ' ').replace('\t', ' ');
            }
            System.out.println(f[0] + "\t" + verdict);
        }
    }

    private static void judge(String[] f) throws Exception {
        X509Certificate[] chain = read(f[3]).toArray(new X509Certificate[0]);
        X509TrustManager trust = trustManager(read(f[4]));
        for (String authType : f[2].split(",")) {
            if (f[1].equals("client")) {
                trust.checkClientTrusted(chain, authType);
            } else {
                trust.checkServerTrusted(chain, authType);
            }
        }
        if (!f[5].equals("-")) {
            HostnameChecker.getInstance(HostnameChecker.TYPE_TLS).match(f[5], chain[0]);
        }
    }

    private static X509TrustManager trustManager(List<X509Certificate> anchors) throws Exception {
        KeyStore store = KeyStore.getInstance("JKS");
        store.load(null, null);
        for (int i = 0; i < anchors.size(); i++) {
            store.setCertificateEntry("anchor-" + i, anchors.get(i));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        return (X509TrustManager) factory.getTrustManagers()[0];
    }

    private static List<X509Certificate> read(String file) throws Exception {
        List<X509Certificate> out = new ArrayList<>();
        try (InputStream in = new FileInputStream(file)) {
            for (Certificate c : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                out.add((X509Certificate) c);
            }
        }
        return out;
    }
}
