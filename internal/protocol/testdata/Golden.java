// Writes the bytes in java.txt, and reads what our tests write. By hand, with the jars of /work/shared/kafka or any Kafka 4:
//
//	java -cp "$LIBS/*" Golden.java write > java.txt
//	GOKAFKA_JAVA_READ=/tmp/ours.txt go test -run TestJavaReads . && java -cp "$LIBS/*" Golden.java read < /tmp/ours.txt
//
// Each line is: magic codec timestampType bytes-in-hex.
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Scanner;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.internal.*;

public class Golden {
    static byte[] b(String s) { return s == null ? null : s.getBytes(StandardCharsets.UTF_8); }

    static SimpleRecord[] records(byte magic, CompressionType type) {
        Header[] headers = magic < 2 ? new Header[0] : new Header[] {new RecordHeader("h", b("one")), new RecordHeader("", null)};
        return new SimpleRecord[] {
            new SimpleRecord(1000, b("k0"), b("v0"), headers), new SimpleRecord(900, null, b("")), new SimpleRecord(5000, b(""), null),
            new SimpleRecord(1001, b("k3"), b("abc".repeat(type == CompressionType.NONE ? 30 : 30000))),
        };
    }

    public static void main(String[] args) {
        if (args[0].equals("read")) {
            read();
            return;
        }
        for (byte magic = 0; magic <= 2; magic++)
            for (CompressionType type : CompressionType.values()) {
                if (magic < 2 && type == CompressionType.ZSTD)
                    continue;
                MemoryRecords r = MemoryRecords.withRecords(magic, 0, Compression.of(type).build(), TimestampType.CREATE_TIME, records(magic, type));
                ByteBuffer buffer = r.buffer();
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                System.out.println(magic + " " + type.name + " CreateTime " + HexFormat.of().formatHex(bytes));
            }
    }

    static void read() {
        Scanner in = new Scanner(System.in);
        while (in.hasNextLine()) {
            String[] line = in.nextLine().split(" ");
            MemoryRecords r = MemoryRecords.readableRecords(ByteBuffer.wrap(HexFormat.of().parseHex(line[3])));
            StringBuilder out = new StringBuilder();
            for (RecordBatch batch : r.batches()) {
                batch.ensureValid();
                if (batch.magic() != Byte.parseByte(line[0]) || !batch.compressionType().name.equals(line[1]))
                    throw new RuntimeException("not as announced: " + batch);
                for (org.apache.kafka.common.record.internal.Record record : batch) {
                    record.ensureValid();
                    out.append(record.offset()).append('@').append(record.timestamp()).append(':').append(record.keySize()).append('/').append(record.valueSize()).append('/').append(record.headers().length).append(' ');
                }
            }
            System.out.println(line[0] + " " + line[1] + " " + line[2] + " " + out);
        }
    }
}
