import eu.europa.esig.dss.enumerations.EncryptionAlgorithm;
import eu.europa.esig.dss.enumerations.Indication;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * EU DSS: the one signature of every PDF named on standard input is of the level wanted and passes in total, with our
 * root as the only anchor and our revocation lists as the only source; it fetches nothing.
 */
public final class Dss {
    /** The identifier of the SM2 curve in DER, as the hexadecimal of /Contents has it. */
    private static final String SM2 = "06082a811ccf5501822d";

    /** Arguments: the folder of keys; {@code B} or {@code T}. */
    public static void main(String[] arguments) throws IOException {
        Path keys = Path.of(arguments[0]);
        SignatureLevel wanted = arguments[1].equals("T") ? SignatureLevel.PAdES_BASELINE_T : SignatureLevel.PAdES_BASELINE_B;
        CommonCertificateVerifier verifier = verifier(keys);
        BufferedReader paths = new BufferedReader(new InputStreamReader(System.in));
        for (String path = paths.readLine(); path != null; path = paths.readLine()) {
            File file = new File(path);
            System.out.println(verdict(file, verifier, wanted));
        }
    }

    private static CommonCertificateVerifier verifier(Path keys) throws IOException {
        CommonTrustedCertificateSource anchors = new CommonTrustedCertificateSource();
        anchors.addCertificate(DSSUtils.loadCertificate(keys.resolve("trust/root.pem").toFile()));
        List<InputStream> lists = new ArrayList<>();
        for (String issuer : List.of("root", "issuing-ca")) {
            String pem = Files.readString(keys.resolve("certificates/" + issuer + ".crl.pem"));
            String body = pem.replaceAll("(?s).*-----BEGIN [^-]*-----(.*?)-----END.*", "$1");
            lists.add(new ByteArrayInputStream(Base64.getMimeDecoder().decode(body)));
        }
        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        verifier.setAIASource(null);
        verifier.setOcspSource(null);
        verifier.setTrustedCertSources(anchors);
        verifier.setCrlSource(new ExternalResourcesCRLSource(lists.toArray(InputStream[]::new)));
        return verifier;
    }

    private static String verdict(File file, CommonCertificateVerifier verifier, SignatureLevel wanted) {
        try {
            if (Files.readString(file.toPath(), StandardCharsets.ISO_8859_1).toLowerCase(Locale.ROOT).contains(SM2)) {
                return "n/a  dss " + file.getName() + ": knows no SM2";
            }
            SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(file));
            validator.setCertificateVerifier(verifier);
            boolean edwards = validator.getSignatures().get(0).getEncryptionAlgorithm() == EncryptionAlgorithm.EDDSA;
            SimpleReport report = validator.validateDocument(policy(edwards)).getSimpleReport();
            List<String> faults = faults(report, wanted);
            return faults.isEmpty()
                ? "ok   dss " + file.getName() + ": " + wanted + ", TOTAL_PASSED" + (edwards ? " with EdDSA added to its policy" : "")
                : "FAIL dss " + file.getName() + ": " + String.join("; ", faults).replaceAll("\\s+", " ");
        } catch (IOException | RuntimeException error) {
            return "FAIL dss " + file.getName() + ": " + error;
        }
    }

    /** The default policy; its list of algorithms follows ETSI TS 119 312, which knows no EdDSA, and has it commented out. */
    private static InputStream policy(boolean edwards) throws IOException {
        InputStream original = Dss.class.getResourceAsStream("/policy/constraint.xml");
        if (!edwards) {
            return original;
        }
        String text = new String(original.readAllBytes(), StandardCharsets.UTF_8);
        String listed = text.replaceAll("<!--\\s*(<Algo[^>]*>EdDSA</Algo>)[^>]*-->", "$1");
        return new ByteArrayInputStream(listed.getBytes(StandardCharsets.UTF_8));
    }

    private static List<String> faults(SimpleReport report, SignatureLevel wanted) {
        List<String> faults = new ArrayList<>();
        List<String> signatures = report.getSignatureIdList();
        if (signatures.size() != 1) {
            faults.add(signatures.size() + " signatures");
        }
        for (String id : signatures) {
            if (report.getSignatureFormat(id) != wanted) {
                faults.add("is " + report.getSignatureFormat(id) + ", not " + wanted);
            }
            if (report.getIndication(id) != Indication.TOTAL_PASSED) {
                faults.add(report.getIndication(id) + " " + report.getSubIndication(id) + ": " + texts(report.getAdESValidationErrors(id)));
            }
        }
        return faults;
    }

    private static String texts(List<Message> messages) {
        return messages.stream().map(Message::getValue).collect(Collectors.joining("; "));
    }
}
