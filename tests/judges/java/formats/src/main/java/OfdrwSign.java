import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ofdrw.core.signatures.SigType;
import org.ofdrw.core.signatures.Signature;
import org.ofdrw.core.signatures.Signatures;
import org.ofdrw.reader.OFDReader;
import org.ofdrw.sign.verify.OFDValidator;
import org.ofdrw.sign.verify.container.SESV4ValidateContainer;

/**
 * ofdrw: validates every seal (SES v4) of every OFD named on standard input: digests of the
 * references, the seal against the sealed one, the signature's value.
 */
public final class OfdrwSign {
    public static void main(String[] none) throws Exception {
        BufferedReader paths = new BufferedReader(new InputStreamReader(System.in));
        for (String path = paths.readLine(); path != null; path = paths.readLine()) {
            Path file = Path.of(path);
            String name = file.getFileName().toString();
            try {
                System.out.println("ok   ofdrw-sign " + name + ": " + judge(file) + " seals");
            } catch (Exception error) {
                String said = error.toString().replaceAll("\\s+", " ");
                System.out.println("FAIL ofdrw-sign " + name + ": " + said);
            }
        }
    }

    /** How many seals there are, all valid. ofdrw knows plain signatures of another form than ours. */
    private static int judge(Path file) throws Exception {
        try (OFDReader reader = new OFDReader(file);
            OFDValidator validator = new OFDValidator(reader)) {
            Signatures list = reader.getDefaultSignatures();
            List<Signature> seals = new ArrayList<>(list.getSignatures());
            if (seals.isEmpty() || seals.stream().anyMatch(one -> one.getType() != SigType.Seal)) {
                throw new IllegalStateException("not signed by seals alone");
            }
            validator.setValidator(new SESV4ValidateContainer()).exeValidate();
            return seals.size();
        }
    }
}
