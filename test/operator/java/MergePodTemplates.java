import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.flink.kubernetes.operator.utils.FlinkUtils;

/**
 * Merges pod templates as the operator does. Each line of standard input is {"shared": …, "own": …, "byName": …}, and
 * answered by a line with the merged template, null where there is none, or {"error": …}. Templates are a Pod to operators up to 1.7
 * and a PodTemplateSpec to later ones.
 */
public class MergePodTemplates {
    public static void main(String[] args) throws Exception {
        Method merge = Arrays.stream(FlinkUtils.class.getMethods())
                .filter(m -> m.getName().equals("mergePodTemplates")).findFirst().orElseThrow();
        Class<?> template = merge.getReturnType();
        ObjectMapper json = Serialization.jsonMapper();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            JsonNode input = json.readTree(line);
            String answer;
            try {
                Object merged = merge.invoke(null,
                        json.treeToValue(input.get("shared"), template), json.treeToValue(input.get("own"), template),
                        input.get("byName").asBoolean());
                answer = json.writeValueAsString(merged);
            } catch (Exception e) {
                answer = json.writeValueAsString(json.createObjectNode().put("error", String.valueOf(e)));
            }
            System.out.println(answer);
        }
    }
}
