fanfare::apps!(shop_receivers);

fanfare::apps!(fanfare_django as shop);

fanfare::apps!();

fanfare::apps!(shop::receivers);

fanfare::apps!("shop_receivers");

fn main() {}
