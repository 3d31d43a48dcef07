import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.flink.kubernetes.operator.utils.FlinkUtils;

/**
 * Merges pod templates as the operator does. Each line of standard input is {"shared": …, "own": …, "byName": …}, and
 * answered by a line with the merged template, null where there is none, or {"error": …}.
 */
public class MergePodTemplates {
    public static void main(String[] args) throws Exception {
        ObjectMapper json = Serialization.jsonMapper();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            JsonNode input = json.readTree(line);
            String answer;
            try {
                Pod merged = FlinkUtils.mergePodTemplates(
                        json.treeToValue(input.get("shared"), Pod.class), json.treeToValue(input.get("own"), Pod.class),
                        input.get("byName").asBoolean());
                answer = json.writeValueAsString(merged);
            } catch (Exception e) {
                answer = json.writeValueAsString(json.createObjectNode().put("error", String.valueOf(e)));
            }
            System.out.println(answer);
        }
    }
}
