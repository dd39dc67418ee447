// Prints one line for each kind of record of the coordinators' logs, in each version, with and without content: what Apache Kafka's own generated
// classes make of it. run.sh runs it and says where the lines go.
//
//   LOG KIND VERSION key|value HEX CONTENT    CONTENT is JSON, as the class' JsonConverter writes it; "null" values of JSON are nulls in the record

import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.utils.Utils;

public class CoordinatorRecords {
    static int counter;

    public static void main(String[] args) throws Exception {
        for (String log : List.of("group", "share", "transaction")) {
            Class<?> kinds = Class.forName("org.apache.kafka.coordinator." + log + ".generated.CoordinatorRecordType");
            Object[] all = kinds.getEnumConstants();
            Arrays.sort(all, Comparator.comparingInt(k -> id(k)));
            for (Object kind : all) {
                counter = 0;
                ApiMessage key = (ApiMessage) kinds.getMethod("newRecordKey").invoke(kind);
                for (int fill = 0; fill < 2; fill++) {
                    if (fill == 1) fill(key, false);
                    print(log, kind, (short) 0, "key", MessageUtil.toCoordinatorTypePrefixedByteBuffer(key), key);
                }
                ApiMessage value = (ApiMessage) kinds.getMethod("newRecordValue").invoke(kind);
                for (short v = value.lowestSupportedVersion(); v <= value.highestSupportedVersion(); v++) {
                    for (int fill = 0; fill < 3; fill++) {
                        value = (ApiMessage) kinds.getMethod("newRecordValue").invoke(kind);
                        if (fill > 0) fill(value, fill == 2);
                        ByteBuffer bytes;
                        try {
                            bytes = MessageUtil.toVersionPrefixedByteBuffer(v, value);
                        } catch (org.apache.kafka.common.errors.UnsupportedVersionException e) {
                            continue; // a field that this version lacks, and that must not be lost
                        }
                        print(log, kind, v, "value", bytes, value);
                    }
                }
            }
        }
    }

    static short id(Object kind) {
        try {
            return (Short) kind.getClass().getMethod("id").invoke(kind);
        } catch (ReflectiveOperationException e) {
            throw new RuntimeException(e);
        }
    }

    static void print(String log, Object kind, short version, String what, ByteBuffer bytes, ApiMessage m) throws Exception {
        Object json = Class.forName(m.getClass().getName() + "JsonConverter").getMethod("write", m.getClass(), short.class).invoke(null, m, version);
        StringBuilder hex = new StringBuilder();
        for (byte b : Utils.toArray(bytes)) hex.append(String.format("%02x", b));
        System.out.println(log + " " + id(kind) + " " + version + " " + what + " " + hex + " " + json);
    }

    // fill sets every field, and with nulls sets every field to null that may be.
    static void fill(Object m, boolean nulls) throws Exception {
        Method[] methods = m.getClass().getMethods();
        Arrays.sort(methods, Comparator.comparing(Method::getName));
        for (Method set : methods) {
            if (!set.getName().startsWith("set") || set.getName().equals("setNext") || set.getName().equals("setPrev")) continue;
            Class<?> type = set.getParameterTypes()[0];
            Object old = m.getClass().getMethod(set.getName().substring(3, 4).toLowerCase() + set.getName().substring(4)).invoke(m);
            if (nulls && !type.isPrimitive()) {
                set.invoke(m, new Object[] {null});
                if (writes(m)) continue;
                set.invoke(m, old);
            }
            set.invoke(m, sample(set.getGenericParameterTypes()[0], nulls, set.getName().equals("setPort")));
        }
    }

    static boolean writes(Object m) {
        short v = ((org.apache.kafka.common.protocol.Message) m).highestSupportedVersion();
        try {
            org.apache.kafka.common.protocol.ObjectSerializationCache cache = new org.apache.kafka.common.protocol.ObjectSerializationCache();
            org.apache.kafka.common.protocol.MessageSizeAccumulator size = new org.apache.kafka.common.protocol.MessageSizeAccumulator();
            ((org.apache.kafka.common.protocol.Message) m).addSize(size, cache, v);
            ((org.apache.kafka.common.protocol.Message) m).write(
                new org.apache.kafka.common.protocol.ByteBufferAccessor(ByteBuffer.allocate(size.totalSize())), cache, v);
            return true;
        } catch (NullPointerException e) {
            return false;
        }
    }

    static Object sample(Type type, boolean nulls, boolean unsignedShort) throws Exception {
        int n = ++counter;
        if (type == byte.class) return (byte) (n % 100);
        if (type == short.class) return (short) (n + 300);
        if (type == int.class) return unsignedShort ? n + 40000 : n + 70000;
        if (type == long.class) return n + 5000000000L;
        if (type == boolean.class) return true;
        if (type == String.class) return "text-" + n;
        if (type == byte[].class) return new byte[] {(byte) n, 0, -1};
        if (type == Uuid.class) return new Uuid(0x0102030405064708L + n, 0x890a0b0c0d0e0f10L + n);
        if (type == Integer.class) return n;
        if (type == Short.class) return (short) n;
        if (type instanceof ParameterizedType p) {
            List<Object> list = new ArrayList<>();
            list.add(sample(p.getActualTypeArguments()[0], nulls, false));
            list.add(sample(p.getActualTypeArguments()[0], nulls, false));
            return list;
        }
        Object o = ((Class<?>) type).getConstructor().newInstance();
        fill(o, nulls);
        return o;
    }
}
