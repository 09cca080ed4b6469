import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.util.LinkedHashSet;
import java.util.Set;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/** veraPDF: every PDF named on standard input conforms to PDF/A-3u. */
public final class VeraPdf {
    public static void main(String[] none) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        BufferedReader paths = new BufferedReader(new InputStreamReader(System.in));
        for (String path = paths.readLine(); path != null; path = paths.readLine()) {
            File file = new File(path);
            String faults = faults(file);
            System.out.println(faults.isEmpty()
                ? "ok   verapdf " + file.getName()
                : "FAIL verapdf " + file.getName() + ": " + faults);
        }
    }

    /** The broken rules, each once with the first place that breaks it. */
    private static String faults(File file) {
        PDFAFlavour flavour = PDFAFlavour.PDFA_3_U;
        Set<String> rules = new LinkedHashSet<>();
        Set<String> faults = new LinkedHashSet<>();
        try (PDFAParser parser = Foundries.defaultInstance().createParser(file, flavour);
             PDFAValidator validator = Foundries.defaultInstance().createValidator(flavour, false)) {
            ValidationResult result = validator.validate(parser);
            for (TestAssertion broken : result.getTestAssertions()) {
                String rule = broken.getRuleId().getClause() + "-" + broken.getRuleId().getTestNumber();
                if (broken.getStatus() == TestAssertion.Status.FAILED && rules.add(rule)) {
                    faults.add(rule + " " + broken.getMessage() + " at " + broken.getLocation().getContext());
                }
            }
            if (!result.isCompliant() && faults.isEmpty()) {
                faults.add("not compliant");
            }
        } catch (Exception error) {
            faults.add(error.toString());
        }
        return String.join("; ", faults).replaceAll("\\s+", " ");
    }
}
