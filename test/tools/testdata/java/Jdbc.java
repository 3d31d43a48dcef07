import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;

/**
 * Connects to each JDBC URL given and asks whether the connection is encrypted. Prints a line for each:
 *
 *   OK 1 ssl=t protocol
 *   FAIL exception class: message <- cause class: message
 *
 * and exits 1 if one failed.
 */
public final class Jdbc {
    public static void main(String[] urls) {
        boolean failed = false;
        for (String url : urls) {
            String result;
            try {
                result = "OK " + ask(url);
            } catch (Exception e) {
                result = "FAIL " + Settings.describe(e);
                failed = true;
            }
            System.out.println(result);
        }
        System.exit(failed ? 1 : 0);
    }

    private static String ask(String url) throws Exception {
        String query = "select 1, ssl, coalesce(version, '-') from pg_stat_ssl where pid = pg_backend_pid()";
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(query)) {
            row.next();
            return row.getString(1) + " ssl=" + row.getString(2) + " " + row.getString(3);
        }
    }
}
