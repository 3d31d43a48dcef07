import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;

/**
 * Connects to the JDBC URL given and asks whether the connection is encrypted. Prints
 *
 *   OK 1 ssl=t protocol
 *   FAIL exception class: message <- cause class: message
 *
 * and exits 1 if it failed.
 */
public final class Jdbc {
    public static void main(String[] args) {
        String query = "select 1, ssl, coalesce(version, '-') from pg_stat_ssl where pid = pg_backend_pid()";
        try (Connection connection = DriverManager.getConnection(args[0]);
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(query)) {
            row.next();
            System.out.println("OK " + row.getString(1) + " ssl=" + row.getString(2) + " " + row.getString(3));
        } catch (Exception e) {
            System.out.println("FAIL " + Settings.describe(e));
            System.exit(1);
        }
    }
}
