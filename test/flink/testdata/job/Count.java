import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * A streaming job that does not end: it counts numbers by key, so that every subtask sends to every
 * other one and there is state in its checkpoints.
 */
public final class Count {
    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.fromSequence(0, Long.MAX_VALUE).map(new Slowly()).keyBy(n -> n % 64).map(new Counter()).print();
        env.execute("count");
    }

    /** Leaves the processor to others. */
    static final class Slowly extends RichMapFunction<Long, Long> {
        @Override
        public Long map(Long n) throws Exception {
            Thread.sleep(50);
            return n;
        }
    }

    static final class Counter extends RichMapFunction<Long, Long> {
        private transient ValueState<Long> seen;

        @Override
        public Long map(Long n) throws Exception {
            if (seen == null) {
                seen = getRuntimeContext().getState(new ValueStateDescriptor<>("seen", Long.class));
            }
            Long before = seen.value();
            seen.update(before == null ? 1 : before + 1);
            return seen.value();
        }
    }
}
