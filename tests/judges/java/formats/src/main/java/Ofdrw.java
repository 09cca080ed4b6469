import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.ofdrw.converter.FontLoader;
import org.ofdrw.converter.ImageMaker;
import org.ofdrw.core.basicStructure.pageObj.layer.CT_Layer;
import org.ofdrw.core.basicStructure.pageObj.layer.PageBlockType;
import org.ofdrw.core.basicStructure.pageObj.layer.block.CT_PageBlock;
import org.ofdrw.core.basicStructure.pageObj.layer.block.TextObject;
import org.ofdrw.core.text.TextCode;
import org.ofdrw.core.text.font.CT_Font;
import org.ofdrw.reader.OFDReader;
import org.ofdrw.reader.PageInfo;

/**
 * ofdrw: reads every OFD named on standard input, writes its text and its first page at three
 * resolutions to the folder JUDGES_RASTER, for the judges of text, rasters and QR codes.
 */
public final class Ofdrw {
    private static final Path RASTER = Path.of(System.getenv("JUDGES_RASTER"));
    private static final PrintStream STDERR = System.err;

    public static void main(String[] none) throws Exception {
        FontLoader.Preload();
        BufferedReader paths = new BufferedReader(new InputStreamReader(System.in));
        for (String path = paths.readLine(); path != null; path = paths.readLine()) {
            Path file = Path.of(path);
            String name = file.getFileName().toString();
            String faults = String.join("; ", faults(file)).replaceAll("\\s+", " ");
            System.out.println(faults.isEmpty() ? "ok   ofdrw " + name : "FAIL ofdrw " + name + ": " + faults);
        }
    }

    private static List<String> faults(Path file) {
        List<String> faults = new ArrayList<>();
        // ofdrw draws around what it cannot draw and only logs it.
        ByteArrayOutputStream log = new ByteArrayOutputStream();
        System.setErr(new PrintStream(log, true, StandardCharsets.UTF_8));
        String stem = file.getFileName().toString().replaceFirst("\\.ofd$", "");
        try (OFDReader reader = new OFDReader(file)) {
            for (CT_Font font : reader.getResMgt().getFonts()) {
                var loaded = FontLoader.getInstance().loadFontSimilar(reader.getResourceLocator(), font);
                if (loaded.isEnableSimilarFontReplace()) {
                    faults.add("font " + font.getFontName() + " is not embedded or cannot be read");
                }
            }
            Files.writeString(RASTER.resolve(stem + ".ofd.txt"), text(reader));
            for (int dpi : new int[] {150, 200, 300}) {
                BufferedImage page = new ImageMaker(reader, dpi / 25.4).makePage(0);
                BufferedImage grey =
                    new BufferedImage(page.getWidth(), page.getHeight(), BufferedImage.TYPE_BYTE_GRAY);
                grey.getGraphics().drawImage(page, 0, 0, Color.WHITE, null);
                ImageIO.write(grey, "png", RASTER.resolve(stem + ".ofd-" + dpi + ".png").toFile());
            }
        } catch (Exception error) {
            faults.add(error.toString());
        } finally {
            System.setErr(STDERR);
        }
        if (log.size() > 0) {
            faults.add(log.toString(StandardCharsets.UTF_8));
        }
        return faults;
    }

    /** Unlike ofdrw's ContentExtractor this reads the template pages too. */
    private static String text(OFDReader reader) {
        StringBuilder text = new StringBuilder();
        for (PageInfo page : reader.getPageList()) {
            for (CT_Layer layer : page.getAllLayer()) {
                collect(layer.getPageBlocks(), text);
            }
        }
        return text.toString();
    }

    private static void collect(List<PageBlockType> blocks, StringBuilder text) {
        for (PageBlockType block : blocks) {
            if (block instanceof TextObject words) {
                for (TextCode code : words.getTextCodes()) {
                    text.append(code.getContent());
                }
                text.append('\n');
            } else if (block instanceof CT_PageBlock inner) {
                collect(inner.getPageBlocks(), text);
            }
        }
    }
}
