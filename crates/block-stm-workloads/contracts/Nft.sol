// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Collection of unique items, sold at a fixed price and numbered by a counter (after EIP-721)
/// @notice Each mint reads and writes `nextId`, so mints of one collection follow one another.
contract Nft {
    string public name;
    string public symbol;
    address public owner;
    uint256 public price; // wei an item
    uint256 public maxSupply;
    uint256 public nextId;
    mapping(uint256 id => address holder) private holders;
    mapping(address holder => uint256 count) public balanceOf;
    mapping(uint256 id => address operator) public getApproved;
    mapping(address holder => mapping(address operator => bool approved)) public isApprovedForAll;

    event Transfer(address indexed from, address indexed to, uint256 indexed id);
    event Approval(address indexed holder, address indexed operator, uint256 indexed id);
    event ApprovalForAll(address indexed holder, address indexed operator, bool approved);

    error NotOwner(address caller);
    error WrongPayment(uint256 paid, uint256 price);
    error SoldOut(uint256 maxSupply);
    error NoSuchItem(uint256 id);
    error NotHolder(address account, uint256 id);
    error NotApproved(address caller, uint256 id);
    error ZeroAddress();
    error PaymentFailed();

    constructor(string memory name_, string memory symbol_, uint256 price_, uint256 maxSupply_) {
        name = name_;
        symbol = symbol_;
        owner = msg.sender;
        price = price_;
        maxSupply = maxSupply_;
    }

    function mint() external payable returns (uint256 id) {
        if (msg.value != price) revert WrongPayment(msg.value, price);
        id = nextId;
        if (id >= maxSupply) revert SoldOut(maxSupply);
        nextId = id + 1;
        holders[id] = msg.sender;
        balanceOf[msg.sender] += 1;
        emit Transfer(address(0), msg.sender, id);
    }

    function transferFrom(address from, address to, uint256 id) external {
        if (to == address(0)) revert ZeroAddress();
        address holder = ownerOf(id);
        if (holder != from) revert NotHolder(from, id);
        if (msg.sender != holder && msg.sender != getApproved[id] && !isApprovedForAll[holder][msg.sender]) {
            revert NotApproved(msg.sender, id);
        }
        delete getApproved[id];
        balanceOf[from] -= 1;
        balanceOf[to] += 1;
        holders[id] = to;
        emit Transfer(from, to, id);
    }

    function approve(address operator, uint256 id) external {
        address holder = ownerOf(id);
        if (msg.sender != holder && !isApprovedForAll[holder][msg.sender]) revert NotApproved(msg.sender, id);
        getApproved[id] = operator;
        emit Approval(holder, operator, id);
    }

    function setApprovalForAll(address operator, bool approved) external {
        isApprovedForAll[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    function withdrawProceeds(address payable to) external {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        (bool paid,) = to.call{value: address(this).balance}("");
        if (!paid) revert PaymentFailed();
    }

    function ownerOf(uint256 id) public view returns (address holder) {
        holder = holders[id];
        if (holder == address(0)) revert NoSuchItem(id);
    }
}
